/**
 * Pointers on an element as gestures: mouse, pen and fingers alike. Places are [left, top] in its CSS pixels.
 *
 * @param {HTMLElement} element
 * @param {Object} on - callbacks: hover(place), leave(), begin(place), drag(place, before), end(), cancel(),
 *   click(place), zoom(factor, place), pan(right, down); a second finger cancels what the first one began, and then
 *   both zoom and pan
 */
export function followPointers(element, on) {
    const down = new Map();
    let start = null; // where a press began that may still be a click
    let single = false; // whether the gesture is one of a single pointer
    const placeOf = (event) => {
        const box = element.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
    };

    element.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "mouse" && event.button !== 0) return;
        element.setPointerCapture(event.pointerId);
        down.set(event.pointerId, placeOf(event));
        single = down.size === 1;
        start = single ? placeOf(event) : null;
        if (single) on.begin(start);
        else on.cancel();
    });
    element.addEventListener("pointermove", (event) => {
        const place = placeOf(event);
        const before = down.get(event.pointerId);
        if (!before) {
            if (event.pointerType !== "touch") on.hover(place);
            return;
        }
        if (single) {
            if (start && apart(start, place) < (event.pointerType === "touch" ? 8 : 4)) return;
            on.drag(place, start ?? before);
            start = null;
        } else if (down.size === 2) {
            const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, where]) => where);
            on.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
            const middle = [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2];
            on.zoom(Math.max(apart(place, other), 1) / Math.max(apart(before, other), 1), middle);
        }
        down.set(event.pointerId, place);
    });
    element.addEventListener("pointerup", (event) => {
        if (!down.delete(event.pointerId) || !single) return;
        if (start) {
            on.cancel();
            on.click(start);
        } else on.end();
        single = false;
    });
    element.addEventListener("pointercancel", (event) => {
        if (down.delete(event.pointerId)) on.cancel();
        single = false;
    });
    element.addEventListener("pointerleave", () => on.leave());
    element.addEventListener(
        "wheel",
        (event) => {
            event.preventDefault();
            const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / 40 : event.deltaY;
            const speed = event.ctrlKey ? 0.4 : 0.06; // a trackpad's pinch comes as a wheel with small steps
            on.zoom(Math.exp(-speed * Math.max(-10, Math.min(10, lines))), placeOf(event));
            if (!down.size) on.hover(placeOf(event));
        },
        { passive: false },
    );
}

function apart(a, b) {
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
