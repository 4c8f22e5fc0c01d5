// The account's page: who the user is, then each part by itself.
import { showApiKeys } from "./api-keys.js";
import { showData } from "./personal-data.js";
import { showPasskeys } from "./passkeys.js";
import { showPassword } from "./password.js";
import { showProfile } from "./profile.js";
import { showSecondFactor } from "./second-factor.js";
import { guard } from "./session.js";
import { showSessions } from "./sessions.js";
import { start } from "./shell.js";
import { signedIn } from "./user.js";

guard();
const user = await signedIn();
showProfile(user);
showPassword();
showSecondFactor();
showPasskeys();
showSessions();
showApiKeys();
showData();
start();
