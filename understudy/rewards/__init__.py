"""Learning rewards in tabular worlds, from a task's name to a policy: what ``understudy learn`` runs, and its bench."""
