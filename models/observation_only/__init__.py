"""Learning from an expert whose actions nobody recorded: only what was to be seen of it.

Each system is one file that reads like its pseudo-code, over shared parts: ``ports`` (the world of the learner),
``networks`` (a perceptron and how it is fitted), ``transitions`` (what the learner itself has lived through). They
import torch, and no simulator.
"""
