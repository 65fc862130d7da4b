"""What policies learn: experiments on the simulators, in process, each over several seeds with a control."""
