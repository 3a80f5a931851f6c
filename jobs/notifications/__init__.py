"""Who hears what happened to a job: notices in an outbox, their deliveries, webhooks and mail."""
