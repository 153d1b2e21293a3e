import { make } from "../elements.js";
import { pointAt } from "../samp.js";

// Where a position is shown, RA and Dec in degrees; opened only by a click, and so nowhere in the page as a link.
const SKY_PAGES = [
    ["Legacy Survey", "The Legacy Survey viewer around this galaxy",
        (ra, dec) => `https://www.legacysurvey.org/viewer?ra=${ra}&dec=${dec}&layer=ls-dr10&zoom=16&mark=${ra},${dec}`],
    ["SDSS", "The SDSS Navigate tool around this galaxy",
        (ra, dec) => `https://skyserver.sdss.org/dr18/VisualTools/navi?ra=${ra}&dec=${dec}&scale=0.2`],
    ["ESASky", "ESASky around this galaxy: images of Hubble, Webb, Euclid and others",
        (ra, dec) => `https://sky.esa.int/esasky/?target=${ra}%20${dec}&fov=0.03&cooframe=J2000&sci=true&lang=en`],
    ["SIMBAD", "What SIMBAD knows within 10 arcseconds of this galaxy",
        (ra, dec) => `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${ra}d${dec < 0 ? "" : "%2B"}${dec}d` +
            "&CooFrame=ICRS&Radius=10&Radius.unit=arcsec"],
];

/**
 * Buttons that show a galaxy's place of the sky elsewhere: web pages in a new tab, and Aladin on this machine.
 *
 * Nothing is opened or asked before a click.
 *
 * @param {Object} app - the app
 * @param {number} galaxy - position of the galaxy
 * @returns {HTMLElement} filled once RA and Dec are read; empty where the galaxies have neither
 */
export function galaxyLinks(app, galaxy) {
    const element = make("div", { className: "sky-links" });
    const { ra, dec } = app.data.manifest;
    if (ra && dec) fillLinks(element, app.data, galaxy).catch((error) => app.say(error.message, true));
    return element;
}

async function fillLinks(element, data, galaxy) {
    const names = [data.manifest.ra, data.manifest.dec];
    const columns = await Promise.all(names.map((name) => data.column(name)));
    const [ra, dec] = columns.map((column) => column.values[galaxy]);
    if (!(ra >= -180 && ra <= 360 && Math.abs(dec) <= 90)) {
        element.append(make("small", {}, "RA and Dec of this galaxy are unknown: it cannot be shown on the sky."));
        return;
    }
    const sixDigits = (degrees) => Number(degrees.toFixed(6)); // 4 milliarcseconds, and never an exponent
    const place = [sixDigits((ra + 360) % 360) % 360, sixDigits(dec)].map(String);
    const button = (label, title, onclick) => make("button", { type: "button", title, onclick }, label);
    const buttons = SKY_PAGES.map(([label, title, address]) =>
        button(label, title, () => window.open(address(...place), "_blank", "noopener")));
    const answer = make("small", { role: "status" });
    const aladin = button("Point Aladin here", "Points Aladin, and any other program with SAMP, at this galaxy", null);
    aladin.onclick = async () => {
        aladin.disabled = true;
        answer.textContent = "Asking the SAMP hub on this machine …";
        answer.textContent = await pointAt(...place);
        aladin.disabled = false;
    };
    element.append(make("div", { className: "group" }, ...buttons, aladin), answer);
}
