"""From recordings to a dataset: the live codecs and assembler, offline."""
