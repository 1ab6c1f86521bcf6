"""Voice calls: one file per provider, and the documents that tell a call what to say."""
