"""Small worlds of one robot on a straight road, in plain numbers: for experiments that take many policies.

What is shown here is about heads and memories and not about eyes, so the robots report distances and no pictures: a
policy then learns in seconds, and five seeds of ten policies and their controls take minutes. Learner, policies and
runtime are the project's own.
"""
