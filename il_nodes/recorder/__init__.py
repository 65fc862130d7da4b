"""Plain logic of the recorder: which messages belong to an episode, which are missing, and a thread that writes."""
