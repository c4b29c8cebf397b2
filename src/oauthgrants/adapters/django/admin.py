"""
The admin: clients whose secrets are shown once, tokens to look up and revoke.

No page shows a secret, a hash or a token that is kept; none is kept that could be shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from oauthgrants.adapters.django import models, options
from oauthgrants.adapters.django.admin_forms import ClientForm, LookUpForm, SecretFormSet
from oauthgrants.adapters.django.fields import MomentField
from oauthgrants.adapters.django.registering import add_secret
from oauthgrants.adapters.django.servers import servers
from oauthgrants.adapters.django.store import DjangoStore
from oauthgrants.hashing import token_digest
from oauthgrants.secret import Secret

if TYPE_CHECKING:
    # Django's pages are generic for the type checker alone.
    _Secrets = admin.TabularInline[models.ClientSecret, models.Client]
    _SecretForms = forms.BaseInlineFormSet[
        models.ClientSecret, models.Client, forms.ModelForm[models.ClientSecret]
    ]
    _Clients = admin.ModelAdmin[models.Client]
    _Tokens = admin.ModelAdmin[Any]
else:
    _Secrets = admin.TabularInline
    _Clients = _Tokens = admin.ModelAdmin

_TEMPLATES = "admin/oauthgrants"
_TOKENS: tuple[type[Any], ...] = (models.AccessToken, models.RefreshToken)


class ClientSecretInline(_Secrets):
    """The secrets of a client: their names, and when they end."""

    model = models.ClientSecret
    formset: type[_SecretForms] = SecretFormSet
    fields: ClassVar[options.Fields] = ("secret_id", "expires_at")
    readonly_fields: ClassVar[options.Names] = ("secret_id",)
    formfield_overrides: ClassVar[Any] = {
        MomentField: {"form_class": forms.SplitDateTimeField, "widget": AdminSplitDateTime}
    }
    extra = 0
    verbose_name: options.Text | None = "secret"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: secrets are made here, and typed by nobody."""
        return False


@admin.register(models.Client)
class ClientAdmin(_Clients):
    """Registers clients."""

    form: type[forms.ModelForm[models.Client]] = ClientForm
    inlines: ClassVar[options.Inlines] = (ClientSecretInline,)
    list_display: options.Columns[models.Client] = (
        *("client_id", "client_name", "list_grant_types", "scope", "active"),
    )
    list_filter: ClassVar[options.Filters] = ("active", "first_party", "token_endpoint_auth_method")
    search_fields: ClassVar[options.Names] = ("client_id", "client_name")
    actions: options.Actions[models.Client] = ("make_secret", "revoke_tokens")

    @admin.display(description="grant types")
    def list_grant_types(self, client: models.Client) -> str:
        """Return what it may do."""
        return ", ".join(client.grant_types)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what never changes: tokens bear the ``client_id``."""
        return ("client_id",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: models.Client, form: Any, change: bool) -> None:
        """Save a client, with a secret if it needs one and has none."""
        super().save_model(request, obj, form, change)
        if obj.needs_secret and not obj.find_hashes():
            obj.new_secret = add_secret(obj)

    def response_add(
        self, request: HttpRequest, obj: models.Client, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, if there is a new one."""
        return self._show_secret(request, obj) or super().response_add(
            request, obj, post_url_continue
        )

    def response_change(self, request: HttpRequest, obj: models.Client) -> HttpResponse:
        """Show the secret, if there is a new one."""
        return self._show_secret(request, obj) or super().response_change(request, obj)

    @admin.action(description="Make a new secret for the selected client", permissions=["change"])
    def make_secret(
        self, request: HttpRequest, queryset: QuerySet[models.Client]
    ) -> HttpResponse | None:
        """Add a secret to those of one client, and show it."""
        chosen = list(queryset[:2])
        if len(chosen) != 1 or not chosen[0].needs_secret:
            self.message_user(
                request, "Choose one client that authenticates by a secret.", messages.ERROR
            )
            return None
        [client] = chosen
        client.new_secret = add_secret(client)
        self.log_change(request, client, "Made a new secret.")
        return self._show_secret(request, client)

    @admin.action(description="Revoke all tokens of the selected clients", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[models.Client]) -> None:
        """End what was issued to them."""
        for client in queryset:
            DjangoStore().revoke_tokens(client_id=client.client_id)
            self.log_change(request, client, "Revoked all tokens.")
        self.message_user(request, "All their tokens are revoked; JWTs end by themselves.")

    def delete_model(self, request: HttpRequest, obj: models.Client) -> None:
        """Delete a client, and end its tokens."""
        DjangoStore().delete_client(obj.client_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[models.Client]) -> None:
        """Delete clients, and end their tokens."""
        for client in queryset:
            self.delete_model(request, client)

    def _show_secret(self, request: HttpRequest, client: models.Client) -> HttpResponse | None:
        """
        Return a page with the new secret of *client*, None if there is none.

        A message that waited for the next page would be kept in a cookie or a session.
        """
        if client.new_secret is None:
            return None
        messages.warning(
            request,
            f"The secret of {client.client_id} is {client.new_secret.reveal()} and is shown this "
            "once: copy it now.",
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "A new secret",
            "client": client,
        }
        return TemplateResponse(request, f"{_TEMPLATES}/secret.html", context)


class _TokenAdmin(_Tokens):
    """Shows what tokens stand for, and ends them."""

    change_list_template: ClassVar[options.Template] = f"{_TEMPLATES}/token_change_list.html"
    list_display: options.Columns[Any] = (
        *("sub", "username", "client_id", "scope", "issued_at", "expires_at"),
    )
    search_fields: ClassVar[options.Names] = ("sub",)
    search_help_text: ClassVar[options.Text | None] = (
        "By client, user or subject, whole and exact. Not by the token itself: searches end up in "
        "logs."
    )
    show_full_result_count = False
    # In the place of Django's action of this name: to delete a token is to revoke it.
    actions: options.Actions[Any] = ("delete_selected",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: tokens are issued to clients."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: nothing about a token changes."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the tokens of a client or user, found by columns that have an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        user = servers().users.find_user(term)
        subs = [term] if user is None else [term, user.sub]
        return queryset.filter(Q(client_id=term) | Q(sub__in=subs)), False

    @admin.action(description="Revoke the selected tokens", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End them."""
        self.delete_queryset(request, queryset)
        self.message_user(request, "They are revoked.")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Revoke tokens."""
        for token in queryset:
            self.delete_model(request, token)


@admin.register(models.AccessToken)
class AccessTokenAdmin(_TokenAdmin):
    """Shows access tokens, and finds tokens of both kinds."""

    fields: ClassVar[options.Fields] = (
        *("sub", "username", "client_id", "scope", "audience", "issued_at", "expires_at"),
        *("family", "jti", "extra"),
    )

    def delete_model(self, request: HttpRequest, obj: models.AccessToken) -> None:
        """Revoke a token."""
        DjangoStore().revoke_access_token(obj.digest or b"")

    def get_urls(self) -> list[URLPattern]:
        """Return the pages, with the one that finds a token."""
        look_up = self.admin_site.admin_view(self.look_up)
        name = "oauthgrants_accesstoken_look_up"
        return [path("look-up/", look_up, name=name), *super().get_urls()]

    def look_up(self, request: HttpRequest) -> HttpResponse:
        """
        Find the token that somebody pasted, access or refresh.

        It comes by POST, since logs and histories keep URLs, and goes no further: what leads on
        is the number of the row.

        Raises:
            PermissionDenied: Who asks may see neither kind.
        """
        shown = [model for model in _TOKENS if self._may_see(request, model)]
        if not shown:
            raise PermissionDenied
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        form = LookUpForm(request.POST or None)
        if form.is_valid():
            digest = token_digest(Secret(form.cleaned_data["token"]))
            for model in shown:
                row = model.objects.filter(digest=digest).first()
                if row is not None:
                    name = f"admin:oauthgrants_{model._meta.model_name}_change"  # noqa: SLF001
                    return HttpResponseRedirect(
                        reverse(name, args=[row.pk], current_app=self.admin_site.name)
                    )
            form.add_error("token", "There is none: it is unknown, revoked or deleted, or a JWT.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Look up a token",
            "form": form,
        }
        return TemplateResponse(request, f"{_TEMPLATES}/look_up.html", context)

    def _may_see(self, request: HttpRequest, model: type[Any]) -> bool:
        page = self.admin_site._registry.get(model)  # noqa: SLF001  # public from Django 5.0
        return page is not None and page.has_view_permission(request)


@admin.register(models.RefreshToken)
class RefreshTokenAdmin(_TokenAdmin):
    """Shows refresh tokens."""

    list_display: options.Columns[Any] = (*_TokenAdmin.list_display, "spent_at")
    fields: ClassVar[options.Fields] = (
        *("sub", "username", "client_id", "scope", "audience", "grant_type", "issued_at"),
        *("expires_at", "spent_at", "family", "family_ends_at"),
    )

    def delete_model(self, request: HttpRequest, obj: models.RefreshToken) -> None:
        """Revoke all that came from the same sign-in."""
        DjangoStore().revoke_family(obj.family)
