"""What the features share: identity, tenancy, storage, the way in and the one door out."""
