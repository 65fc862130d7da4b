"""Learning in classic control tasks: contracts, demonstrations, one run from a task's name to a policy.onnx."""
