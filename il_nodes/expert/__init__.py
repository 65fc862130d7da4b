"""Around an expert who demonstrates: its topics, disturbed demonstrations (DART), labels for others' ticks (DAgger)."""
