"""How fast a policy is cloned, beside `imitation`: one dataset, one network size, two libraries in turn."""
