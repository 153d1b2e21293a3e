import { xmlText } from "./xml.js";

const SAMP_HUB = "http://localhost:21012/"; // where hubs listen for web pages
const SAMP_ANSWER = 60; // seconds in which a program must answer a message
/** Characters that a table may have to be sent. */
export const SAMP_LARGEST = 48 * 2 ** 20;
const SAMP_NAME = "galvae explorer";
const NO_HUB = "No SAMP hub answers on this machine: start TOPCAT or Aladin and allow web clients.";
const NO_FILES = " The hubs of TOPCAT and Aladin refuse a page that was opened as a file: open it with galvae explore run=RUN serve=true.";
const HUB_REFUSES_FILES =
    "A SAMP hub runs on this machine, but it does not answer a page that was opened as a file: open it with " +
    "galvae explore run=RUN serve=true, or save the table and open it there.";
const HUB_REFUSES_SITE = "A SAMP hub runs on this machine, but it, or this browser, does not let the page talk to it.";

let sampKey = null; // under which the hub knows this page

/**
 * Sends a table to all programs on this machine that take tables, such as TOPCAT and Aladin.
 *
 * The programs open an address, which a page can only give them if galvae serves it; otherwise it is a data: URL,
 * which programs in Python open and those in Java do not.
 *
 * Reference: Taylor et al. 2012, Simple Application Messaging Protocol 1.3, IVOA Recommendation, sections 3 to 5.
 *
 * @param {string} votable - the table, an XML document
 * @param {string} name - of the table
 * @returns {Promise<string>} a sentence that says what has become of it, for the reader
 */
export async function sendTable(votable, name) {
    return toPrograms("table.load.votable", "tables", async () => ({ url: await tableAddress(votable), name }));
}

/**
 * Points programs such as Aladin at a place of the sky.
 *
 * @param {number} ra, dec - degrees
 * @returns {Promise<string>} a sentence that says what has become of it, for the reader
 */
export async function pointAt(ra, dec) {
    return toPrograms("coord.pointAt.sky", "positions", async () => ({ ra: String(ra), dec: String(dec) }));
}

/** Sends a message to every program that takes its kind; a sentence says how that went. */
async function toPrograms(mtype, things, parameters) {
    try {
        await connectHub();
        const programs = Object.keys(await sampCall("getSubscribedClients", sampKey, mtype));
        if (!programs.length) {
            return `A SAMP hub answers, but no program there takes ${things}: start TOPCAT or Aladin.`;
        }
        const message = { "samp.mtype": mtype, "samp.params": await parameters() };
        return (await Promise.all(programs.map((program) => toProgram(program, message)))).join(" ");
    } catch (error) {
        return error.message;
    }
}

/** Sends a message to one program and waits for its answer; a sentence says what it was. */
async function toProgram(program, message) {
    const name = (await sampCall("getMetadata", sampKey, program))["samp.name"] || program;
    try {
        const answer = await sampCall("callAndWait", sampKey, program, message, String(SAMP_ANSWER));
        if (answer["samp.status"] === "samp.ok") return `${name} has it.`;
        const reason = answer["samp.error"]?.["samp.errortxt"] || answer["samp.status"];
        const advice = message["samp.params"].url ? ": save it as CSV and open that" : "";
        return `${name} could not use it (${reason})${advice}.`;
    } catch (error) {
        return `${name} did not answer (${error.message}).`;
    }
}

/** Registers this page with the hub, which asks its user; only once, and again if the hub has been restarted. */
async function connectHub() {
    if (sampKey !== null) {
        try {
            await sampCall("getRegisteredClients", sampKey);
            return;
        } catch {
            sampKey = null;
        }
    }
    const registration = await sampCall("register", { "samp.name": SAMP_NAME });
    sampKey = registration["samp.private-key"];
    window.addEventListener("pagehide", leaveHub, { once: true });
    const description = "Galaxies that are selected in a page of galvae explore";
    await sampCall("declareMetadata", sampKey, { "samp.name": SAMP_NAME, "samp.description.text": description });
}

/** Takes this page off the hub's list; the request outlives the page. */
function leaveHub() {
    if (sampKey === null) return;
    hubRequest("unregister", [sampKey], { keepalive: true }).catch(() => {});
    sampKey = null;
}

/** Calls a method of the hub. Throws an error with a sentence for the reader. */
async function sampCall(method, ...parameters) {
    let response;
    try {
        response = await hubRequest(method, parameters);
    } catch {
        const isFile = window.location.protocol === "file:";
        if (!(await hubListens())) throw new Error(NO_HUB + (isFile ? NO_FILES : ""));
        throw new Error(isFile ? HUB_REFUSES_FILES : HUB_REFUSES_SITE);
    }
    const text = await response.text();
    try {
        return xmlRpcResult(new DOMParser().parseFromString(text, "text/xml"));
    } catch (error) {
        if (method !== "register") throw error;
        throw new Error(`The SAMP hub did not let this page in: its user refused, or it says “${error.message}”.`);
    }
}

function hubRequest(method, parameters, options = {}) {
    // As text/xml, which browsers send to a server of another origin only if this agrees before.
    const headers = { "Content-Type": "text/xml" };
    const body = xmlRpcCall(`samp.webhub.${method}`, parameters);
    return fetch(SAMP_HUB, { method: "POST", headers, body, ...options });
}

/** Whether something listens at the hub's place, whatever it would let a page read. */
async function hubListens() {
    try {
        await fetch(SAMP_HUB, { mode: "no-cors" });
        return true;
    } catch {
        return false;
    }
}

/** An address at which programs on this machine can read a table. */
async function tableAddress(votable) {
    if (["127.0.0.1", "localhost", "[::1]"].includes(window.location.hostname)) {
        const address = new URL("selection.xml", window.location.href);
        address.hash = "";
        const headers = { "Content-Type": "application/x-votable+xml" };
        const response = await fetch(address, { method: "PUT", headers, body: votable }).catch(() => null);
        if (response?.ok) return address.href; // other servers on this machine take no tables
    }
    return `data:application/x-votable+xml;base64,${base64(votable)}`;
}

function base64(text) {
    const bytes = new TextEncoder().encode(text);
    let binary = "";
    for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(binary);
}

/**
 * A call of XML-RPC.
 *
 * @param {string} method - its name
 * @param {Array} parameters - strings, arrays and objects of these
 * @returns {string} an XML document
 */
export function xmlRpcCall(method, parameters) {
    const params = parameters.map((parameter) => `<param>${xmlRpcValue(parameter)}</param>`).join("");
    const call = `<methodName>${xmlText(method)}</methodName><params>${params}</params>`;
    return `<?xml version="1.0"?><methodCall>${call}</methodCall>`;
}

function xmlRpcValue(value) {
    if (typeof value === "string") return `<value><string>${xmlText(value)}</string></value>`;
    if (Array.isArray(value)) return `<value><array><data>${value.map(xmlRpcValue).join("")}</data></array></value>`;
    const members = Object.entries(value).map(([name, one]) =>
        `<member><name>${xmlText(name)}</name>${xmlRpcValue(one)}</member>`);
    return `<value><struct>${members.join("")}</struct></value>`;
}

/**
 * The result of a call of XML-RPC.
 *
 * @param {Document} answer - the hub's answer
 * @returns {string|Array|Object}
 * @throws {Error} with the hub's words, if the call has failed or the answer is none
 */
export function xmlRpcResult(answer) {
    const fault = answer.querySelector("methodResponse > fault > value");
    if (fault) throw new Error(readXmlRpc(fault).faultString ?? "an error");
    const value = answer.querySelector("methodResponse > params > param > value");
    if (!value) throw new Error("the answer is not that of a SAMP hub");
    return readXmlRpc(value);
}

function readXmlRpc(value) {
    const inner = value.firstElementChild;
    if (inner === null) return value.textContent;
    if (inner.tagName === "array") return Array.from(inner.querySelectorAll(":scope > data > value"), readXmlRpc);
    if (inner.tagName !== "struct") return inner.textContent;
    const members = Array.from(inner.children, (member) => Array.from(member.children));
    return Object.fromEntries(members.map(([name, one]) => [name.textContent, readXmlRpc(one)]));
}
