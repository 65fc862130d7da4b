"""The same trainings by other libraries, in environments of their own (`make peers`)."""
