// The rule editor of the admin. Without it the page has a plain text area that publishes and checks all the same.

(() => {
  const { EditorView, EditorState, Compartment, Prec, keymap, tags } = window.CodeMirror;
  const PAUSE = 400;
  const LONGEST_ASKED = 2_000_000;

  const form = document.getElementById("rule-form");
  const area = form.elements.source;
  const data = JSON.parse(document.getElementById("rule-editor-data").textContent);
  const { words } = data;
  const place = form.querySelector("[data-editor]");
  const status = form.querySelector("[data-status]");
  const live = form.querySelector("[data-live]");

  const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_whole, name) => values[name]);

  // --- how it looks: colours are the admin's own, so that light and dark follow it ---------------------------------

  const look = {
    "&": { color: "var(--body-fg)", backgroundColor: "var(--body-bg)", height: "100%" },
    "&.cm-focused": { outline: "2px solid var(--rule-focus)", outlineOffset: "1px" },
    ".cm-scroller": { fontFamily: "var(--font-family-monospace)", fontSize: "0.8125rem", lineHeight: "1.5" },
    ".cm-content": { caretColor: "var(--body-fg)" },
    ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--body-fg)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection":
      { backgroundColor: "var(--rule-selection)" },
    ".cm-gutters": { backgroundColor: "var(--darkened-bg)", color: "var(--body-quiet-color)", border: "none" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--rule-line)" },
    ".cm-selectionMatch": { backgroundColor: "var(--rule-match)" },
    ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--rule-match)" },
    ".cm-panels": { backgroundColor: "var(--darkened-bg)", color: "var(--body-fg)" },
    ".cm-panels input, .cm-panels button": {
      color: "var(--body-fg)", backgroundColor: "var(--body-bg)", backgroundImage: "none",
      border: "1px solid var(--border-color)", fontSize: "0.8125rem",
    },
    ".cm-tooltip": {
      color: "var(--body-fg)", backgroundColor: "var(--body-bg)", border: "1px solid var(--border-color)",
    },
    ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--font-family-monospace)", maxHeight: "16em" },
    ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 6px" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": {
      color: "var(--button-fg)", backgroundColor: "var(--default-button-bg)",
    },
    ".cm-completionMatchedText": { textDecoration: "underline" },
    ".cm-completionDetail": { opacity: "0.85", fontStyle: "normal" },
    ".cm-tooltip.cm-completionInfo": { maxWidth: "24rem", padding: "6px 10px", whiteSpace: "normal" },
    ".cm-diagnostic-error": { borderLeftColor: "var(--error-fg)" },
  };
  const colours = window.CodeMirror.HighlightStyle.define([
    { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.attributeName], color: "var(--rule-key)" },
    { tag: [tags.string, tags.special(tags.string)], color: "var(--rule-text)" },
    { tag: [tags.comment, tags.lineComment], color: "var(--body-quiet-color)", fontStyle: "italic" },
    { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--body-quiet-color)" },
    { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--rule-value)" },
  ]);
  const shade = new Compartment();
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && system.matches);
  }

  const theme = () => EditorView.theme(look, { dark: isDark() });

  // --- checking: only the newest answer counts ----------------------------------------------------------------------

  let asked = 0;
  let waiting;
  let running;

  function askSoon() {
    window.clearTimeout(waiting);
    waiting = window.setTimeout(ask, PAUSE);
  }

  async function ask() {
    window.clearTimeout(waiting);
    asked += 1;
    const mine = asked;
    running?.abort();
    running = new AbortController();
    const source = view.state.doc.toString();
    const body = new URLSearchParams({ source, rule: data.rule });
    if (source.length > LONGEST_ASKED) {
      say(words.lost, "lost");
      return;
    }
    try {
      const answer = await fetch(data.check, {
        method: "POST",
        body,
        signal: running.signal,
        headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      });
      if (mine !== asked) return;
      if (answer.redirected || answer.status === 403) say(words.signed_out, "lost");
      else if (!answer.ok) say(words.lost, "lost");
      else {
        const found = await answer.json();
        if (mine === asked) show(found);
      }
    } catch (error) {
      if (error.name !== "AbortError" && mine === asked) say(words.lost, "lost");
    }
  }

  function say(text, kind) {
    status.hidden = false;
    status.dataset.kind = kind;
    if (status.textContent !== text) status.textContent = text;
  }

  function offset(problem) {
    const { doc } = view.state;
    const line = doc.line(Math.min(Math.max(problem.line, 1), doc.lines));
    // The server counts characters, the editor UTF-16 units.
    const before = Array.from(line.text).slice(0, problem.column - 1).join("").length;
    return { line, from: Math.min(line.from + before, line.to) };
  }

  function show(found) {
    const marks = found.problems.map((problem) => {
      const { line, from } = offset(problem);
      const word = /^[^\s:,{}[\]]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 0;
      const message = [problem.message, problem.hint].filter(Boolean).join(" ");
      return { from, to: Math.min(from + word, line.to), severity: "error", message };
    });
    view.dispatch(window.CodeMirror.setDiagnostics(view.state, marks));
    const all = [...found.errors.map((message) => ({ message })), ...found.problems];
    list(all);
    if (found.valid) say(`${words.valid} ${filled(words.operations, { number: found.operations })}`, "valid");
    else say(filled(words.problems, { number: all.length }), "problems");
  }

  let shown = "";

  function list(problems) {
    const now = JSON.stringify(problems);
    // Saying the same again would only make a screen reader repeat itself.
    if (now === shown) return;
    shown = now;
    live.hidden = problems.length === 0;
    const rows = document.createElement("ol");
    rows.className = "rule-problems";
    for (const problem of problems) rows.append(row(problem));
    live.replaceChildren(...(problems.length ? [rows] : []));
  }

  function row(problem) {
    const item = document.createElement("li");
    if (problem.line) {
      const link = document.createElement("a");
      link.href = "#rule-form";
      link.textContent = filled(words.place, problem);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const { from } = offset(problem);
        view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
        view.focus();
      });
      item.append(link, ": ");
    }
    item.append(problem.message);
    if (problem.hint) {
      const hint = document.createElement("em");
      hint.textContent = ` ${problem.hint}`;
      item.append(hint);
    }
    return item;
  }

  // --- keys ----------------------------------------------------------------------------------------------------------

  function publish() {
    form.requestSubmit(form.querySelector("input[type=submit].default"));
    return true;
  }

  const keys = [
    { key: "Mod-Enter", run: publish, preventDefault: true },
    { key: "Mod-s", run: () => (ask(), true), preventDefault: true },
    { key: "F8", run: window.CodeMirror.nextDiagnostic, shift: window.CodeMirror.previousDiagnostic, preventDefault: true },
  ];

  // A key that opens a mapping or a list is offered its content at once.
  function offerNext(update) {
    const accepted = update.transactions.some((one) => one.isUserEvent("input.complete"));
    if (!accepted) return;
    const { head } = update.state.selection.main;
    const before = update.state.doc.lineAt(head).text.slice(0, head - update.state.doc.lineAt(head).from);
    if (/^\s*(-\s+)?$|:\s$/.test(before)) window.setTimeout(() => window.CodeMirror.startCompletion(view));
  }

  // Left to itself, Chromium keeps the look of what is typed over in a style attribute, which the pages' policy refuses.
  function typeOver(event) {
    const { selection } = view.state;
    if (event.inputType !== "insertText" || event.isComposing || !event.data || selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    return true;
  }

  // A new line goes below the key of the line before, or one level deeper when that key has its value still to come.
  function indentation(context, position) {
    if (context.simulatedBreak !== position) return undefined;
    const { text, from } = context.state.doc.lineAt(position);
    const before = text.slice(0, position - from);
    const lead = /^\s*(?:-\s+)*/.exec(before)[0].length;
    const opens = /^\s*(?:-\s+)*[\w.-]+:\s*(?:[|>][+-]?)?\s*$/.test(before);
    return opens ? lead + 2 : lead;
  }

  // --- the editor itself: in a shadow root its styles are adopted, which the pages' policy allows ---------------------

  const root = place.attachShadow({ mode: "open" });
  const cm = window.CodeMirror;
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        Prec.highest(keymap.of(keys)),
        cm.lineNumbers(), cm.highlightActiveLine(), cm.highlightActiveLineGutter(),
        cm.history(), cm.drawSelection(), cm.bracketMatching(), cm.indentService.of(indentation), cm.indentUnit.of("  "),
        EditorState.tabSize.of(2),
        cm.yaml(), cm.syntaxHighlighting(colours), cm.search({ top: true }), cm.highlightSelectionMatches(),
        cm.lintGutter(),
        cm.autocompletion({ override: [window.RuleCompletion.source(data.language, words)], icons: false }),
        keymap.of([...cm.completionKeymap, ...cm.defaultKeymap, ...cm.searchKeymap, ...cm.historyKeymap, cm.indentWithTab]),
        EditorState.phrases.of(data.phrases),
        EditorView.contentAttributes.of({
          "aria-label": words.source, "aria-description": words.leaving, spellcheck: "false", autocapitalize: "off",
        }),
        shade.of(theme()),
        EditorView.domEventHandlers({ beforeinput: typeOver }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          askSoon();
          offerNext(update);
        }),
      ],
    }),
  });

  function follow() {
    view.dispatch({ effects: shade.reconfigure(theme()) });
  }

  system.addEventListener("change", follow);
  new MutationObserver(follow).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  place.hidden = false;
  area.hidden = true;
  // The list of the last try and the button for it are the live list's work now.
  form.querySelector("[data-problems]").hidden = true;
  form.querySelector("input[name=check]").hidden = true;
  form.querySelector(`label[for=${area.id}]`).addEventListener("click", () => view.focus());
  ask();
})();
