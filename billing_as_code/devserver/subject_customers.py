"""What subjects do to customers where `customer.enableSubjectHook` is on (`hooks/subjectcustomer.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .customers import CustomerInput, CustomerRow, create_customer, customer_of_subject, replace_customer
from .problems import Problem
from .store import Store
from .subject_rows import SubjectRow


def provision_customer(store: Store, subject: SubjectRow) -> None:
    """Make a customer for a subject that has none, or change the one it has to what the subject says."""
    try:
        with store.attempt():
            _provision(store, subject)
    except Problem:
        if not store.settings.subject_hook_ignores_errors:
            raise


def drop_from_customer(store: Store, subject_key: str) -> None:
    """Take a deleted subject's key off its customer."""
    customer = customer_of_subject(store, subject_key)
    if customer is None:
        return
    kept = [key for key in customer.subject_keys if key != subject_key]
    replace_customer(store, customer, _unchanged(customer, subject_keys=kept))


def _provision(store: Store, subject: SubjectRow) -> None:
    annotations: dict[str, Any] = {"createdBy": "customer.provisioner", "subjectId": subject.id}
    if subject.stripe_customer_id is not None:
        annotations["stripeCustomerId"] = subject.stripe_customer_id
    metadata = _as_metadata(subject.metadata)
    customer = customer_of_subject(store, subject.key)
    if customer is None:
        wanted = CustomerInput(
            key=subject.key,
            name=subject.key if subject.display_name is None else subject.display_name,
            subject_keys=[subject.key],
            metadata=metadata,
            annotations=annotations,
        )
        create_customer(store, wanted, provision=False)
    elif not _agrees(subject, customer, metadata):
        wanted = _unchanged(
            customer,
            name=customer.name if subject.display_name is None else subject.display_name,
            metadata={**customer.metadata, **metadata},
            annotations={**customer.annotations, **annotations},
        )
        replace_customer(store, customer, wanted, provision=False)


def _agrees(subject: SubjectRow, customer: CustomerRow, metadata: Mapping[str, str]) -> bool:
    """Whether the customer already is as the subject says."""
    return (
        subject.key in customer.subject_keys
        and customer.key is not None
        and (subject.display_name is None or subject.display_name == customer.name)
        and all(customer.metadata.get(name) == value for name, value in metadata.items())
    )


def _unchanged(customer: CustomerRow, **changes: Any) -> CustomerInput:
    values: dict[str, Any] = {
        "key": customer.key,
        "name": customer.name,
        "description": customer.description,
        "primary_email": customer.primary_email,
        "currency": customer.currency,
        "address": customer.address or None,
        "subject_keys": customer.subject_keys,
        "metadata": customer.metadata,
        "annotations": customer.annotations,
    }
    return CustomerInput(**values | changes)


def _as_metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """A subject's JSON as texts; what has no text falls away."""
    texts = {name: _as_text(value, 0) for name, value in values.items()}
    return {name: text for name, text in texts.items() if text}


def _as_text(value: Any, depth: int) -> str:
    if value is None or depth > 1:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [f'"{text}"' for item in value if (text := _as_text(item, depth + 1))]
    else:
        parts = [f'"{name}"="{text}"' for name, item in value.items() if (text := _as_text(item, depth + 1))]
    return ",".join(sorted(parts))


def _number(value: float) -> str:
    """Go's FormatFloat(value, 'f', -1, 64)."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(float(value))
    if "e" not in text:
        return text.removesuffix(".0")
    digits, _, exponent = text.partition("e")
    places = max(0, len(digits.partition(".")[2]) - int(exponent))
    return f"{float(value):.{places}f}"
