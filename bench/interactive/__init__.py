"""What asking the expert is worth: interactive learning against cloning, in process, over several seeds."""
