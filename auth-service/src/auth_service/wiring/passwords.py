"""What new passwords are held against: how its parts come together."""

from chassis.lifecycle import Lifecycle
from chassis.startup import StartupRefused

from auth_service.adapters.breached_passwords import (
    BreachedPasswordsFile,
    BreachedPasswordsFileError,
    BreachedPasswordsService,
)
from auth_service.adapters.zxcvbn_strength import ZxcvbnStrength
from auth_service.domain.password import BreachedPasswords, PasswordPolicy
from auth_service.settings import AuthSettings


async def open_password_policy(lifecycle: Lifecycle, settings: AuthSettings) -> PasswordPolicy:
    """Returns the rules on new passwords, with the sets of breached ones that the settings name.

    Raises:
        StartupRefused: the file of breached passwords cannot be used.
    """
    breached: list[BreachedPasswords] = []
    if settings.breached_passwords_file is not None:
        try:
            path = settings.breached_passwords_file
            breached.append(await lifecycle.enter(BreachedPasswordsFile.open(path)))
        except BreachedPasswordsFileError as error:
            raise StartupRefused(f"AUTH_BREACHED_PASSWORDS_FILE: {error}") from error
    if settings.breached_passwords_url is not None:
        breached.append(BreachedPasswordsService(settings.breached_passwords_url))
    return PasswordPolicy(await lifecycle.enter(ZxcvbnStrength()), tuple(breached))
