"""What a learning beside a running robot asks of its nodes: the next policy, and who stands in for a person."""
