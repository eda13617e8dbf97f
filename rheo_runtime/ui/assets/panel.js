// The details of what is chosen: a node's partitions, why one ran, what waits, and how it is declared.

const panel = {
  vertex: null, data: null, row: null, text: '', onpartition: () => {}, onask: () => {}, onclose: () => {}, onvertex: () => {},

  show(vertex, model, live) {
    this.vertex = vertex;
    this.row = null;
    this.text = '';
    this.window = {};
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close the details', onclick: () => this.onclose() }, '✕');
    const picture = svg('svg', { viewBox: '0 0 16 16', class: 'big', 'aria-hidden': 'true' }, icon(vertex.kind));
    const links = vertex.dag && live ? h('p', { class: 'links' }, airflowLink(['dags', vertex.dag], 'DAG ', h('code', {}, vertex.dag))) : null;
    $('panel').replaceChildren(
      h('header', {}, picture, h('div', {}, h('h2', { tabindex: '-1' }, vertex.id), h('p', { class: 'kind' }, KINDS[vertex.kind])), close),
      ...(links ? [links] : []),
      ...(vertex.dag && live ? this.places() : []),
      this.declaration(vertex, model),
    );
    $('panel').scrollTop = 0;
    if (vertex.dag && live) {
      grid.listen($('cells'));
      grid.here = -1;
      $('cells').addEventListener('click', (event) => {
        const row = event.target.closest('[data-row]');
        if (row) { this.row = Number(row.dataset.row); this.redraw(); }
      });
    }
  },

  places() {
    const match = h('input', { type: 'search', placeholder: 'Rows with…', 'aria-label': 'Only rows that contain', class: 'match', hidden: true,
      onchange: (event) => { this.window = { match: event.target.value }; this.onask(); } });
    return [
      h('section', { class: 'partitions', 'aria-labelledby': 'partitions-title' },
        h('div', { class: 'title' }, h('h3', { id: 'partitions-title' }, 'Partitions'), h('p', { id: 'counts' }), match),
        h('div', { id: 'range' }),
        h('div', { id: 'cells', class: 'cells', 'aria-busy': 'true' }, h('p', { class: 'soft' }, 'Reading the ledger…'))),
      h('section', { id: 'account', 'aria-live': 'polite', hidden: true }),
      h('section', { id: 'waits', hidden: true }),
    ];
  },

  // New data of the node; nothing is drawn where nothing changed, so that focus and scrolling stay.
  fill(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return;
    this.text = text;
    this.data = data;
    this.redraw();
  },

  redraw() {
    const { data } = this;
    const focused = document.activeElement && document.activeElement.closest('#cells');
    const place = $('cells');
    place.removeAttribute('aria-busy');
    this.counts(data.counts);
    document.querySelector('.match').hidden = !(data.rows.length > 12 || data.more_rows || this.window.match);
    if (data.keys.length && data.rows.length) {
      const scroll = place.querySelector('.scroll');
      const [left, top] = scroll ? [scroll.scrollLeft, scroll.scrollTop] : [null, null];
      if (this.row !== null && this.row >= data.rows.length) this.row = null;
      grid.draw(place, data, this.row);
      const now = place.querySelector('.scroll');
      if (now && left !== null && this.drawn === this.vertex.id) { now.scrollLeft = left; now.scrollTop = top; }
      for (const group of place.querySelectorAll('[data-columns]')) {
        group.style.setProperty('--columns', group.getAttribute('data-columns')); // set so, the policy lets it pass
      }
      grid.choose(this.partition ?? null, this.drawn !== this.vertex.id);
      this.drawn = this.vertex.id;
      if (focused && grid.cells[grid.here]) grid.cells[grid.here].focus();
    } else {
      place.replaceChildren(h('p', { class: 'soft' }, this.window.match ? 'No row contains that.'
        : 'No partition has run, and none waits. It will, when what its inputs name arrives.'));
    }
    this.range(data);
    if (data.waiting) this.waits(data);
  },

  counts(counts) {
    $('counts').replaceChildren(...ORDER.filter((letter) => counts[letter]).map((letter) =>
      h('button', { type: 'button', class: 'count', title: `Go to the last that is ${STATES[letter].name}; again: to the one before`,
        onclick: () => { const found = grid.last(letter); if (found !== null) this.onpartition(found); } },
      swatch(letter), `${counts[letter].toLocaleString()} ${STATES[letter].name}`)));
  },

  range(data) {
    const go = (until, name) => h('button', { type: 'button', disabled: until == null, onclick: () => {
      this.window = { ...this.window, until };
      this.onask();
    } }, name);
    const parts = [];
    if (this.row !== null) {
      parts.push(h('button', { type: 'button', onclick: () => { this.row = null; this.redraw(); } }, '← All rows'),
        h('strong', {}, data.rows[this.row].join(' / ')));
    }
    if (data.before || data.after) {
      parts.push(go(data.earlier, '← Earlier'), h('span', {}, `${data.keys[0]} to ${data.keys[data.keys.length - 1]}`), go(data.later, 'Later →'));
    }
    if (data.more_rows) parts.push(h('span', { class: 'soft' }, `${data.more_rows.toLocaleString()} more rows: narrow them down.`));
    if (data.odd) parts.push(h('span', { class: 'soft' }, `${data.odd} partitions of other dimensions are not shown.`));
    $('range').replaceChildren(...parts);
  },

  waits(data) {
    const place = $('waits');
    place.hidden = !data.waits;
    if (!data.waits) return;
    const more = data.waits - data.waiting.length;
    place.replaceChildren(
      h('h3', {}, 'Waiting ', h('span', { class: 'number' }, data.waits.toLocaleString())),
      h('ul', { class: 'waiting' }, data.waiting.map((w) => h('li', {}, this.wait(w, true)))),
      ...(more > 0 ? [h('p', { class: 'soft' }, `and ${more.toLocaleString()} more`)] : []),
    );
  },

  wait(w, named) {
    const name = w.output === null ? 'a partition that is not determined yet' : w.output || 'the whole output';
    return h('div', { class: 'wait' },
      h('p', {}, named ? (w.output === null ? h('strong', {}, name)
        : h('button', { type: 'button', class: 'link', onclick: () => this.onpartition(w.output) }, name)) : h('strong', {}, 'Waiting'),
      h('span', { class: 'soft' }, ' ', ago(w.since), ', since ', when(w.since))),
      h('ul', {},
        w.missing.slice(0, 20).map((m) => h('li', {}, swatch('W'), h('span', {}, h('strong', {}, `${m.alias} ${m.what}`), `: ${m.reason}`))),
        w.missing.length > 20 ? h('li', {}, `and ${w.missing.length - 20} more`) : null,
        w.arrived.length ? h('li', {}, swatch('S'), h('span', {}, 'has arrived: ', w.arrived.join(', '))) : null));
  },

  // Why one partition ran, or what it waits for.
  account(account, dag) {
    const place = $('account');
    const had = place.contains(document.activeElement);
    place.hidden = !account;
    if (!account) { place.replaceChildren(); return; }
    const runs = account.runs.map((run) => {
      const letter = LETTER[run.state] || '.';
      const executed = run.run ? airflowLink(['dags', dag, 'runs', run.run], 'DAG run ', h('code', {}, run.run)) : h('span', { class: 'soft' }, 'no DAG run yet');
      return h('li', {},
        h('p', {}, swatch(letter), h('strong', {}, STATES[letter].name), run.note ? ` (${run.note})` : '', ' · ', executed),
        h('p', { class: 'soft' }, 'fired ', when(run.fired), run.moved ? [', ', STATES[letter].name, ' since ', when(run.moved)] : null),
        run.events.length ? h('ul', { class: 'events' }, run.events.map(([alias, texts, event]) =>
          h('li', {}, h('strong', {}, `${alias} ${texts}`.trim()), ' by event ', h('code', {}, event)))) : h('p', { class: 'soft' }, 'started by hand'));
    });
    place.replaceChildren(
      h('div', { class: 'title' }, h('h3', { tabindex: '-1' }, account.partition || 'The whole output'),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close this partition', onclick: () => this.onpartition(null) }, '✕')),
      ...account.waiting.map((w) => this.wait(w, false)),
      ...(runs.length ? [h('h4', {}, 'Why it ran'), h('ol', { class: 'runs' }, runs)] : []),
      ...(!runs.length && !account.waiting.length ? [h('p', {}, 'It has not run, and nothing that could lead to it has arrived.')] : []),
    );
    if (had) place.querySelector('h3').focus();
  },

  declaration(vertex, model) {
    const of = (ids) => [...ids].map((id) => h('button', { type: 'button', class: 'link', onclick: () => this.onvertex(id) }, id));
    const facts = [];
    const dims = vertex.dims.map((d) => `${d.name} ${d.type}`).join(', ');
    facts.push(['Dimensions', dims || 'none']);
    for (const item of vertex.inputs || []) {
      facts.push([item.reference ? 'Reference' : 'Input', [h('button', { type: 'button', class: 'link', onclick: () => this.onvertex(item.signal) }, item.alias),
        item.shown === item.alias ? null : h('code', {}, item.shown)].filter(Boolean)]);
    }
    for (const link of vertex.links || []) facts.push(['Link', h('code', {}, link)]);
    for (const output of vertex.output || []) facts.push(['Output', h('code', {}, output)]);
    for (const [name, value] of vertex.facts) facts.push([name, value]);
    const watching = model.edges.filter((e) => e.kind === 'watch' && e.to === vertex.id).map((e) => e.from);
    if (watching.length) facts.push(['Watches', of(new Set(watching))]);
    const after = new Set(model.edges.filter((e) => e.from === vertex.id).map((e) => e.to));
    facts.push(['Leads to', after.size ? of(after) : 'nothing in this application']);
    return h('section', { class: 'declared' }, h('h3', {}, 'Declared'),
      h('dl', {}, facts.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])));
  },
};
