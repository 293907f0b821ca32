// Browsers start no worker in a page that was opened from disk, and the search of the site is one.
// There its script runs in a hidden frame instead, where the search looks for the name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = this.inside.document.createElement("script");
      script.src = url;
      this.ready = new Promise((resolve) => (script.onload = resolve));
      this.inside.document.body.append(script);
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}

// To the search a word that begins with "-" is one to leave out. Whoever looks for --beta means the option.
for (const event of ["input", "keyup"]) {
  document.addEventListener(event, ({ target }) => {
    const options = /(^|\s)-+/g;
    if (target.dataset?.mdComponent === "search-query" && options.test(target.value)) {
      target.value = target.value.replace(options, "$1");
    }
  }, true);
}
