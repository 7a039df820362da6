"""The app through its front door: the real worker library, simulated Confluence and chat, real queues."""
