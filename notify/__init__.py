"""What happened, carried to chat: outbox to deliveries to one message each."""
