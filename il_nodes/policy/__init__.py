"""Around a bundle that runs: loading, swapping, and which tick is answered next."""
