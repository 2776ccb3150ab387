/** Starts the application. */
import "./styles/tokens.css";
import "./styles/base.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { now } from "./lib/managers/now.svelte";
import { preferences } from "./lib/managers/preferences.svelte";
import { session } from "./lib/managers/session.svelte";
import { router } from "./lib/router.svelte";

const words = preferences.load();
router.start();
now.start();
void session.load();
await words;
mount(App, { target: document.getElementById("app")! });
