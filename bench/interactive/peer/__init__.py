"""DAgger and cloning beside `imitation`: the same expert, the same rounds, two libraries in turn."""
