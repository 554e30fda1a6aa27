// Makes and uses passkeys: the one thing that a page cannot do without a script.
"use strict";

function toBytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function toText(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function post(address, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
    redirect: "error",
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error_description);
  return answer;
}

async function make(options) {
  options.challenge = toBytes(options.challenge);
  options.user.id = toBytes(options.user.id);
  for (const known of options.excludeCredentials) known.id = toBytes(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: toText(made.response.clientDataJSON),
      attestationObject: toText(made.response.attestationObject),
    },
  };
}

async function use(options) {
  options.challenge = toBytes(options.challenge);
  const used = await navigator.credentials.get({ publicKey: options });
  const handle = used.response.userHandle;
  return {
    id: used.id,
    rawId: toText(used.rawId),
    type: used.type,
    response: {
      clientDataJSON: toText(used.response.clientDataJSON),
      authenticatorData: toText(used.response.authenticatorData),
      signature: toText(used.response.signature),
      userHandle: handle ? toText(handle) : null,
    },
  };
}

function words(error) {
  if (error.name === "NotAllowedError") return "It was cancelled, or took too long. Try again.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  return error.message;
}

for (const place of document.querySelectorAll("[data-passkey]")) {
  const button = place.querySelector("button");
  const notice = place.querySelector("[role=alert]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    notice.hidden = true;
    try {
      const { options: address, finish, next } = place.dataset;
      const begun = await post(address, { next: next ?? "/" });
      const credential = await (place.dataset.passkey === "enrol" ? make : use)(begun.options);
      const done = await post(finish, { state: begun.state, credential });
      location.assign(done.next);
    } catch (error) {
      notice.textContent = words(error);
      notice.hidden = false;
      button.disabled = false;
    }
  });
}
