"""Which destinations hear of an event, when, and what a message may say of it there."""
