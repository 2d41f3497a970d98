"""News of the ledger to other programs: signed, repeated until it arrives, and sent to public addresses only."""

from flyball.webhooks.outbox import STATES, Delivery, Outbox, Round, WebhookUnknown
from flyball.webhooks.sending import AddressRefused, Answered, public_address
from flyball.webhooks.signing import SecretUnfit, signed_headers

__all__ = [
    "STATES",
    "AddressRefused",
    "Answered",
    "Delivery",
    "Outbox",
    "Round",
    "SecretUnfit",
    "WebhookUnknown",
    "public_address",
    "signed_headers",
]
