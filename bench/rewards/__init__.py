"""What learners of rewards find: experiments in process, each over several seeds with a control."""
