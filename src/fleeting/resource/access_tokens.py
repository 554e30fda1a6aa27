"""Access tokens as calls present them: verified once, then remembered until they are dropped."""

from collections import OrderedDict
from collections.abc import Mapping

from fleeting.core.errors import InvalidToken
from fleeting.core.jose import JoseError, KeySet, UnknownKeyError
from fleeting.core.model import AccessToken
from fleeting.core.operations import OperationType
from fleeting.core.validation import read_access_token
from fleeting.resource.issuer_keys import IssuerKeys


class AccessTokens:
    """Reads tokens of one issuer; remembers at most *remembered* of those with several uses."""

    def __init__(
        self,
        issuer: str,
        keys: IssuerKeys,
        types: Mapping[str, OperationType],
        remembered: int = 4096,
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self.types = types
        self._limit = remembered
        self._verified: OrderedDict[str, AccessToken] = OrderedDict()
        self._verified_with: KeySet | None = None

    async def read(self, text: str) -> AccessToken:
        """Return the claims of a token that the issuer signed with a key it still publishes.

        This does NOT check its audience, its times, its sender, or whether it was spent or revoked.

        Raises:
            InvalidToken: not an access token of this issuer.
            TemporarilyUnavailable: no keys to check it with.
        """
        keys = await self._keys.current()
        if keys is not self._verified_with:  # a withdrawn key takes what it signed with it
            self._verified.clear()
            self._verified_with = keys
        token = self._verified.get(text)
        if token is not None:
            self._verified.move_to_end(text)
            return token
        try:
            return self._remember(text, await self._verify(text, keys))
        except JoseError as error:
            raise InvalidToken(f"the access token is not acceptable: {error}") from None

    async def _verify(self, text: str, keys: KeySet) -> AccessToken:
        try:
            return read_access_token(text, keys, issuer=self._issuer, types=self.types)
        except UnknownKeyError:
            newer = await self._keys.newer_than(keys)
            if newer is keys:
                raise
        return read_access_token(text, newer, issuer=self._issuer, types=self.types)

    def _remember(self, text: str, token: AccessToken) -> AccessToken:
        if token.uses == 1:
            return token  # it will not be seen twice, but in vain
        self._verified[text] = token
        if len(self._verified) > self._limit:
            self._verified.popitem(last=False)
        return token
