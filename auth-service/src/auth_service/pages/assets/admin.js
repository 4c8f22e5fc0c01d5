// The admins' page: users, the audit, the system.
import { showAudit } from "./audit.js";
import { guard } from "./session.js";
import { start } from "./shell.js";
import { showSystem } from "./system.js";
import { signedIn } from "./user.js";
import { showUsers } from "./users.js";
import { showWebhooks } from "./webhooks.js";

guard();
const user = await signedIn();
if (user.role === "admin") {
  showUsers(user);
  showAudit();
  showWebhooks();
  showSystem();
  start();
} else {
  location.replace("/account");
}
