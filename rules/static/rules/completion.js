// What can be written at a place of a rule, found out from the lines above and below by their indentation: it works
// while the document is not whole. The language itself comes from the server.

(() => {
  const KEY = /^(\s*)((?:-\s+)*)(?:([\w.-]+)|"([^"]*)"|'([^']*)')\s*:(?:\s|$)/;
  const ITEM = /^(\s*)-(?:\s|$)/;
  const BLOCK_TEXT = /(?::|-)\s+[|>][+-]?\d?[+-]?\s*(?:#.*)?$/;

  // Where a line begins: the column of its key or text, and that of its last dash, -1 without one.
  function shape(text) {
    const match = KEY.exec(text);
    const lead = /^(\s*)((?:-\s+)*)/.exec(text);
    const column = lead[0].length;
    const dash = lead[2] ? lead[1].length + lead[2].lastIndexOf("-") : ITEM.test(text) ? text.indexOf("-") : -1;
    return { column, dash, key: match ? (match[3] ?? match[4] ?? match[5]) : null, isBlank: !text.trim() || /^\s*#/.test(text) };
  }

  const indentOf = (text) => /^\s*/.exec(text)[0].length;

  // The lines that are text of a block scalar (`run: |`) are no keys.
  function textLines(lines) {
    const inside = new Set();
    for (let row = 0; row < lines.length; row += 1) {
      if (!BLOCK_TEXT.test(lines[row])) continue;
      const { column, dash } = shape(lines[row]);
      const least = KEY.test(lines[row]) ? column : Math.max(dash, 0);
      let next = row + 1;
      while (next < lines.length && (!lines[next].trim() || indentOf(lines[next]) > least)) {
        inside.add(next);
        next += 1;
      }
      row = next - 1;
    }
    return inside;
  }

  // The keys beside the one in `row` that stands at `column`, and where the mapping's own item or parent is.
  function mappingAround(lines, hidden, row, column, dash) {
    const siblings = [];
    let item = dash;
    let above = row - 1;
    if (item < 0) {
      for (; above >= 0; above -= 1) {
        const one = shape(lines[above]);
        if (one.isBlank || hidden.has(above) || one.column > column) continue;
        if (/^\s*-\s*$/.test(lines[above])) {
          item = one.dash;
          above -= 1;
          break;
        }
        if (one.column < column) break;
        if (one.key !== null) siblings.push(one.key);
        if (one.dash >= 0) {
          item = one.dash;
          above -= 1;
          break;
        }
      }
    }
    for (let below = row + 1; below < lines.length; below += 1) {
      const one = shape(lines[below]);
      if (one.isBlank || hidden.has(below) || one.column > column) continue;
      if (one.column < column || one.dash >= 0) break;
      if (one.key !== null) siblings.push(one.key);
    }
    return { siblings, item, above };
  }

  // The frames from the top of the document down to the key at `column` of `row`: each names the key that holds the
  // mapping, whether the mapping is an item of its list, and the keys that stand in it already.
  function frames(lines, hidden, row, column, dash, own) {
    const { siblings, item, above } = mappingAround(lines, hidden, row, column, dash);
    const frame = { owner: null, isItem: item >= 0, siblings, own };
    let limit = item >= 0 ? item : column;
    for (let up = above; up >= 0; up -= 1) {
      const one = shape(lines[up]);
      if (one.isBlank || hidden.has(up) || one.key === null) continue;
      const holds = item >= 0 && one.dash < 0 ? one.column <= limit : one.column < limit;
      if (!holds) continue;
      frame.owner = one.key;
      return [...frames(lines, hidden, up, one.column, one.dash, one.key), frame];
    }
    return [frame];
  }

  const find = (list, key) => (list ?? []).find((one) => one.key === key);

  // What the innermost mapping is: the document, its steps, an operation, or members of something.
  function roleOf(found, language) {
    let role = { kind: "top" };
    for (const frame of found.slice(1)) role = inside(role, frame, language, found);
    const last = found.at(-1);
    if (role.kind === "operation") {
      role.operation = [...last.siblings, last.own].map((key) => find(language.operations, key)).find(Boolean) ?? null;
    }
    return role;
  }

  function inside(role, frame, language) {
    const { owner } = frame;
    if (role.kind === "top") return owner === "steps" ? { kind: "steps" } : { kind: "other" };
    if (role.kind === "steps") return frame.isItem ? { kind: "operation", frame } : { kind: "other" };
    if (role.kind === "operation") return insideOperation(role, frame, language);
    if (role.kind === "members") {
      if ((role.blocks ?? []).some((block) => block.key === owner)) {
        return frame.isItem ? { kind: "operation", frame } : { kind: "other" };
      }
      const member = find(role.members, owner);
      const shapeOfIt = frame.isItem ? member?.items : member;
      return { kind: "members", members: shapeOfIt?.members ?? [] };
    }
    return { kind: "other" };
  }

  function insideOperation(role, frame, language) {
    const operation = find(language.operations, frame.owner);
    const option = find(language.options, frame.owner);
    const holdsOperations =
      operation?.block ||
      option?.block ||
      language.operations.some((one) => one.blocks.some((block) => !block.inside && block.key === frame.owner));
    if (holdsOperations) return frame.isItem ? { kind: "operation", frame } : { kind: "other" };
    const blocks = (operation?.blocks ?? []).filter((block) => block.inside);
    return { kind: "members", members: (operation ?? option)?.members ?? [], blocks, calls: operation?.calls };
  }

  // --- what is offered ----------------------------------------------------------------------------------------

  const more = (indent, isList) => `:\n${" ".repeat(indent + 2)}${isList ? "- " : ""}`;

  function keyOption(one, detail, indent, isFlow, boost = 0) {
    const opens = !isFlow && (one.block || one.mapping);
    return {
      label: one.key,
      detail,
      boost,
      type: "keyword",
      info: one.help || one.type || undefined,
      apply: `${one.key}${opens ? more(indent, Boolean(one.block)) : ": "}`,
    };
  }

  function keyOptions(role, taken, indent, isFlow, language, words) {
    const left = (list) => (list ?? []).filter((one) => !taken.includes(one.key));
    const make = (list, detail, boost) => left(list).map((one) => keyOption(one, detail(one), indent, isFlow, boost));
    const kindOf = (one) => one.type;
    if (role.kind === "top") {
      const shaped = language.top.map((one) => ({ ...one, mapping: one.key === "steps" || one.key === "variables" }));
      return make(shaped, () => "", 0);
    }
    if (role.kind === "steps") return make(language.steps.map((one) => ({ ...one, block: true })), () => words.step, 0);
    if (role.kind === "operation") {
      const options = make(language.options, () => words.option, -1);
      if (!role.operation) return [...make(language.operations, () => words.operation, 1), ...options];
      const blocks = role.operation.blocks.filter((block) => !block.inside).map((block) => ({ ...block, block: true }));
      return [...make(blocks, () => role.operation.key, 1), ...options];
    }
    if (role.kind === "members") {
      const detail = (one) => (one.required ? `${one.type ?? ""} · ${words.required}` : kindOf(one) ?? "");
      const blocks = (role.blocks ?? []).map((block) => ({ ...block, block: true }));
      return [...make(role.members, detail, 0), ...make(blocks, detail, 0)];
    }
    return [];
  }

  // What may stand behind a key.
  function valueOptions(role, key, language, words) {
    if (role.kind === "operation") {
      const operation = find(language.operations, key);
      if (operation?.calls) return language.rules.map((label) => ({ label, type: "constant", detail: words.rule }));
      return values(operation ?? find(language.options, key), words);
    }
    return role.kind === "members" ? values(find(role.members, key), words) : [];
  }

  const values = (one, words) => (one?.values ?? []).map((label) => ({ label, type: "constant", detail: words.value }));

  // Names in expressions and templates, and what they hold.
  function nameOptions(before, lines, language, words) {
    const path = /([A-Za-z_]\w*)\.(\w*)$/.exec(before);
    if (path) {
      const members = path[1] === "variables" ? variables(lines) : (language.members[path[1]] ?? []);
      return { length: path[2].length, options: members.map((label) => ({ label, type: "property" })) };
    }
    const word = /[A-Za-z_]\w*$/.exec(before)?.[0] ?? "";
    const saved = lines.map((line) => /^\s*(?:-\s+)?save_as:\s*([A-Za-z_]\w*)/.exec(line)?.[1]).filter(Boolean);
    const names = [...new Set([...language.names, ...saved])];
    return { length: word.length, options: names.map((label) => ({ label, type: "variable", detail: words.name })) };
  }

  function variables(lines) {
    const found = new Set();
    const add = (text) => {
      for (const match of text.matchAll(/(?:^|[{,])\s*([A-Za-z_]\w*)\s*:/g)) found.add(match[1]);
    };
    lines.forEach((line, row) => {
      const match = /^(\s*(?:-\s+)?)(variables|set):\s*(.*)$/.exec(line);
      if (!match) return;
      add(match[3]);
      for (let next = row + 1; next < lines.length && indentOf(lines[next]) > match[1].length; next += 1) {
        add(lines[next].trim());
      }
    });
    return [...found];
  }

  // Returns {from: column, options} for a cursor, or null.
  function offered(lines, row, column, language, words, isAsked) {
    const before = lines[row].slice(0, column);
    const hidden = textLines(lines);
    const names = () => {
      const { length, options } = nameOptions(before, lines, language, words);
      return { from: column - length, options };
    };
    const opened = Math.max(before.lastIndexOf("{{"), before.lastIndexOf("{%"));
    if (opened >= 0 && !/[}%]\}/.test(before.slice(opened + 2))) return names();
    if (hidden.has(row)) return null;
    if (/(^|\s)#/.test(before)) return null;
    const flow = /(?:^|\s)([\w-]+):\s*\{([^{}]*)$/.exec(before);
    if (flow) return flowOptions(lines, hidden, row, before, flow, language, words);
    const key = /^(\s*)((?:-\s+)*)([\w-]*)$/.exec(before);
    if (key) {
      if (!key[3] && !isAsked && !key[2]) return null;
      const start = key[1].length + key[2].length;
      const dash = key[2] ? key[1].length + key[2].lastIndexOf("-") : -1;
      const found = frames(lines, hidden, row, start, dash, null);
      const taken = found.at(-1).siblings;
      return { from: start, options: keyOptions(roleOf(found, language), taken, start, false, language, words) };
    }
    const value = /^(\s*)((?:-\s+)*)([\w-]+):\s+(.*)$/.exec(before);
    if (!value) return null;
    const start = value[1].length + value[2].length;
    const dash = value[2] ? value[1].length + value[2].lastIndexOf("-") : -1;
    const role = roleOf(frames(lines, hidden, row, start, dash, value[3]), language);
    const word = /^[\w-]*$/.test(value[4]) ? value[4] : null;
    const options = valueOptions(role, value[3], language, words);
    if (options.length && word !== null) return { from: column - word.length, options };
    const known = role.kind === "members" ? find(role.members, value[3]) : (find(language.options, value[3]) ?? find(language.operations, value[3]));
    if (!known?.expression || (!isAsked && !/[\w.]$/.test(value[4]))) return null;
    return names();
  }

  function flowOptions(lines, hidden, row, before, flow, language, words) {
    const value = /(?:^|,)\s*([\w-]+):\s*([\w-]*)$/.exec(flow[2]);
    const word = /(?:^|,)\s*([\w-]*)$/.exec(flow[2]);
    if (!value && !word) return null;
    const lead = /^(\s*)((?:-\s+)*)/.exec(before);
    const dash = lead[2] ? lead[1].length + lead[2].lastIndexOf("-") : -1;
    const around = frames(lines, hidden, row, lead[0].length, dash, flow[1]);
    const taken = [...flow[2].matchAll(/([\w-]+):/g)].map((match) => match[1]);
    const frame = { owner: flow[1], isItem: false, siblings: taken, own: null };
    const role = roleOf([...around, frame], language);
    const text = (value ? value[2] : word[1]) ?? "";
    const options = value
      ? valueOptions(role, value[1], language, words)
      : keyOptions(role, taken, 0, true, language, words);
    return { from: before.length - text.length, options };
  }

  // The source of completions for CodeMirror.
  function source(language, words) {
    return (context) => {
      const line = context.state.doc.lineAt(context.pos);
      const lines = context.state.doc.toString().split("\n");
      const found = offered(lines, line.number - 1, context.pos - line.from, language, words, context.explicit);
      if (!found?.options.length) return null;
      return { from: line.from + found.from, options: found.options, validFor: /^[\w-]*$/ };
    };
  }

  window.RuleCompletion = { offered, source };
})();
