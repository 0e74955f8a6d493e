"""Signing in: codes to phones, access tokens, refresh tokens, and taking them back."""

from holdfast.auth.errors import CodeNotSent
from holdfast.auth.events import LoginRevoked
from holdfast.auth.models import ChallengeId, LoginId, SignedIn
from holdfast.auth.sender import Code, CodeSender

__all__ = ["ChallengeId", "Code", "CodeNotSent", "CodeSender", "LoginId", "LoginRevoked", "SignedIn"]
