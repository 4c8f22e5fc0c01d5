// Everything that is stored about the user: to take along, or to erase.
import { call } from "./signed-in-calls.js";
import { withPassword } from "./dialog.js";
import { t } from "./messages.js";
import { done, download, onClick } from "./section.js";
import { leave } from "./session.js";

export function showData() {
  onClick(document.getElementById("export"), async () => {
    const { data } = await call("GET", "/api/users/me/export");
    download("my-data.json", JSON.stringify(data, null, 2), "application/json");
    done("exported");
  });
  onClick(document.getElementById("erase"), async () => {
    const erase = ({ password }) => call("DELETE", "/api/users/me", { password }, { endsSession: true });
    await withPassword(t("ask.erase"), erase);
    leave("erased", { others: true, back: false });
  });
}
