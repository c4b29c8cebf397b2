"""The forms of the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from oauthgrants.adapters.django import models
from oauthgrants.adapters.django.registering import find_sealing_key
from oauthgrants.adapters.django.servers import servers
from oauthgrants.secret import random_id

if TYPE_CHECKING:
    # Django's forms are generic for the type checker alone.
    _ClientForms = forms.ModelForm[models.Client]
    _SecretForms = forms.BaseInlineFormSet[
        models.ClientSecret, models.Client, forms.ModelForm[models.ClientSecret]
    ]
else:
    _ClientForms = forms.ModelForm
    _SecretForms = forms.BaseInlineFormSet

_METHODS = {
    "client_secret_basic": "a secret, in the Authorization header",
    "client_secret_post": "a secret, in the body",
    "private_key_jwt": "a JWT, signed with its private key",
    "client_secret_jwt": "a JWT, signed with a secret",
    "tls_client_auth": "a certificate for the subject below",
    "self_signed_tls_client_auth": "a certificate of its own, in its keys",
    "none": "nothing: the client is public",
}
_GRANT_TYPES = ("client_credentials", "password", "refresh_token")


class LinesField(forms.CharField):
    """Several texts, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        """Return what the box has in it."""
        return value if isinstance(value, str | None) else "\n".join(value)

    def clean(self, value: Any) -> Any:
        """Return the texts."""
        text = str(super().clean(value))
        return tuple(line.strip() for line in text.splitlines() if line.strip())


def _subject(label: str, help_text: str) -> forms.CharField:
    """Return the field of one of the subjects that a certificate can have."""
    return forms.CharField(
        required=False, empty_value=None, label=f"Certificate: {label}", help_text=help_text
    )


class ClientForm(_ClientForms):
    """Everything about a client but its secrets."""

    client_id: forms.CharField = forms.CharField(
        required=False, max_length=255, help_text="Made up if left empty. It never changes."
    )
    client_name: forms.CharField = forms.CharField(
        required=False, empty_value=None, help_text="For people."
    )
    token_endpoint_auth_method: forms.ChoiceField = forms.ChoiceField(
        label="Authenticates by",
        help_text="A secret is made when the client is saved, and shown once.",
    )
    grant_types: forms.MultipleChoiceField = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple
    )
    jwks: forms.CharField = forms.CharField(required=False, empty_value=None, widget=forms.Textarea)
    jwks_uri: forms.CharField = forms.CharField(required=False, empty_value=None)
    token_endpoint_auth_signing_alg: forms.CharField = forms.CharField(
        required=False, empty_value=None
    )
    tls_client_auth_subject_dn: forms.CharField = _subject(
        "Distinguished name", "As RFC 4514 writes it."
    )
    tls_client_auth_san_dns: forms.CharField = _subject(
        "Host name", "Or this subject alternative name."
    )
    tls_client_auth_san_uri: forms.CharField = _subject("URI", "Or this one.")
    tls_client_auth_san_ip: forms.CharField = _subject("IP address", "Or this one.")
    tls_client_auth_san_email: forms.CharField = _subject("Email address", "Or this one.")
    resources: LinesField = LinesField(
        required=False,
        help_text="The identifiers (RFC 8707) that it may ask tokens for, one a line.",
    )
    introspects: LinesField = LinesField(
        required=False, help_text="The audiences whose tokens it may introspect, one a line."
    )

    class Meta:
        """Options of the form."""

        model = models.Client
        fields: Sequence[str] = models.CLIENT_FIELDS
        labels: ClassVar[dict[str, str]] = {
            "tls_client_certificate_bound_access_tokens": "Bind tokens to certificates",
            "dpop_bound_access_tokens": "Bind tokens to keys (DPoP)",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "scope": "All that it may have, with spaces between. Empty: tokens without scope.",
            "default_scope": "What it gets when it asks for none. Empty: such requests are "
            "refused.",
            "first_party": "It may use the password grant, and so sees its users' passwords.",
            "access_token_lifetime": "Seconds. Empty: as long as the server says.",
            "refresh_token_lifetime": "Seconds. Empty: as long as the server says.",
            "secret_methods_equal": "The secret may come in header and body alike.",
            "active": "A client that is not fails to authenticate.",
            "jwks": "Its public keys, a JWK Set as JSON; for what it signs with a private key. "
            "Or its certificates in x5c.",
            "tls_client_certificate_bound_access_tokens": "Its access tokens are bound to the "
            "certificate that it shows.",
            "dpop_bound_access_tokens": "Its access tokens are bound to a key, by DPoP proofs.",
            "jwks_uri": "Or where they are, an https URL.",
            "token_endpoint_auth_signing_alg": "The only algorithm that it signs with. Empty: any.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        methods = {
            name: text
            for name, text in _METHODS.items()
            if name != "client_secret_jwt" or find_sealing_key() is not None
        }
        self.fields["token_endpoint_auth_method"].choices = methods.items()  # type: ignore[attr-defined]
        known = {*_GRANT_TYPES, *(self.instance.grant_types or ())}
        if servers().configuration.has_server:
            known.update(servers().server.metadata()["grant_types_supported"])
        field = self.fields["grant_types"]
        field.choices = [(name, name) for name in sorted(known)]  # type: ignore[attr-defined]

    def clean_client_id(self) -> str:
        """
        Return the identifier, made up if there is none.

        Raises:
            ValidationError: It may be a user's ``sub`` (RFC 9700, 4.15.1).
        """
        client_id: str = self.cleaned_data["client_id"] or random_id()
        if servers().users.may_be_sub(client_id):
            raise ValidationError("This may be the subject identifier of a user.")
        return client_id


class SecretFormSet(_SecretForms):
    """The secrets of a client, of which it needs one."""

    def clean(self) -> None:
        """
        Check that one is left.

        Raises:
            ValidationError: None is, and the client authenticates by one.
        """
        super().clean()
        left = [form for form in self.initial_forms if not form.cleaned_data.get("DELETE")]
        if self.initial_forms and not left and self.instance.needs_secret:
            raise ValidationError(
                "The last secret cannot be deleted: make a new one first, or make the client "
                "inactive."
            )


class LookUpForm(forms.Form):
    """A token that somebody pasted."""

    # As a password: what was pasted does not come back with the page.
    token: forms.CharField = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "off"})
    )
