// The admins' page: users, the audit, the system.
import { showAudit } from "./audit.js";
import { guard } from "./session.js";
import { start } from "./shell.js";
import { showSystem } from "./system.js";
import { signedIn } from "./user.js";
import { showUsers } from "./users.js";

guard();
const user = await signedIn();
if (user.role === "admin") {
  showUsers(user);
  showAudit();
  showSystem();
  start();
} else {
  location.replace("/account");
}
