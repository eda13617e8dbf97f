// The details of what is chosen: a node's partitions, why one ran, what waits, and how it is declared.

const panel = {
  vertex: null, data: null, row: null, text: '', goal: null, onpartition: () => {}, onask: () => {}, onclose: () => {}, onvertex: () => {},

  show(vertex, model, live) {
    this.vertex = vertex;
    this.data = null;
    this.row = null;
    this.text = '';
    this.window = {};
    const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close the details', onclick: () => this.onclose() }, '✕');
    const picture = svg('svg', { viewBox: '0 0 16 16', class: 'big', 'aria-hidden': 'true' }, icon(vertex.kind));
    const links = vertex.dag && live ? h('p', { class: 'links' }, airflowLink(['dags', vertex.dag], 'DAG ', h('code', {}, vertex.dag)),
      h('span', { id: 'by-hand' })) : null;
    this.stale = new Map();
    grid.stale = new Set();
    $('panel').replaceChildren(
      h('header', {}, picture, h('div', {}, h('h2', { tabindex: '-1' }, vertex.id), h('p', { class: 'kind' }, KINDS[vertex.kind])), close),
      ...(links ? [links] : []),
      ...(vertex.dag && live ? this.places() : []),
      this.declaration(vertex, model, live),
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
      h('section', { id: 'late', hidden: true }),
      h('section', { id: 'stale', hidden: true }),
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
    const dims = this.vertex.dims.map((d) => d.name).join(', ');
    $('by-hand').replaceChildren(...(data.may.includes('run') ? [' · ', airflowLink(['dags', this.vertex.dag],
      dims ? `Run it by hand (Trigger, with ${dims})` : 'Run it by hand (Trigger)')] : []));
    if (data.late) this.late(data);
    if (data.waiting) this.waits(data);
    this.arrive();
  },

  // Show what somebody came for, as soon as it is known: the last failure, what waits, or what is late.
  arrive() {
    const { data, goal } = this;
    if (!goal || !data || (goal !== 'F' && !data.waiting)) return;
    this.goal = null;
    const last = goal === 'F' ? grid.last('F') : null;
    if (last !== null) this.onpartition(last);
    if (goal !== 'F') $(goal === 'W' ? 'waits' : 'late').scrollIntoView({ block: 'nearest' });
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

  late(data) {
    const place = $('late');
    place.hidden = !data.late.length;
    place.replaceChildren(
      h('h3', {}, 'Late ', h('span', { class: 'number' }, data.late.length.toLocaleString())),
      h('ul', { class: 'waiting' }, data.late.slice(0, 20).map((one) => this.overdue(one))),
      ...(data.late.length > 20 ? [h('p', { class: 'soft' }, `and ${(data.late.length - 20).toLocaleString()} more`)] : []),
    );
  },

  overdue(one) {
    return h('li', {}, h('strong', {}, one.missing), ' is not there, and was due by ', when(one.due));
  },

  // What was made from older data than there is now.
  older(told) {
    this.stale = new Map(told.stale.map((one) => [one.partition, one]));
    grid.stale = new Set(this.stale.keys());
    grid.mark();
    const place = $('stale');
    place.hidden = !told.count;
    place.replaceChildren(
      h('h3', {}, 'Stale ', h('span', { class: 'number' }, told.count.toLocaleString())),
      h('ul', { class: 'waiting' }, told.stale.slice(0, 20).map((one) => h('li', {},
        h('button', { type: 'button', class: 'link', onclick: () => this.onpartition(one.partition) }, one.partition || 'the whole output'), this.newer(one)))),
      ...(told.count > 20 ? [h('p', { class: 'soft' }, `and ${(told.count - 20).toLocaleString()} more`)] : []),
    );
    this.aged();
  },

  newer(one) {
    return h('ul', {}, one.newer.slice(0, 5).map((n) => h('li', {}, h('strong', {}, `${n.alias} ${n.partition}`.trim()),
      n.written ? [' was written ', when(n.written), ', after it had fired'] : ' is stale itself')));
  },

  // Say of the partition that is shown that it is stale.
  aged() {
    const place = document.querySelector('#account .aged');
    const one = this.stale.get(this.partition);
    if (place) place.replaceChildren(...(one ? [h('h4', {}, 'Stale'), this.newer(one)] : []));
  },

  // The state of an alarm, and why it is in it.
  alarm(told) {
    const place = $('alarm-state');
    if (!place || !told || !this.vertex) return;
    const one = told.alarms[this.vertex.id];
    place.replaceChildren(...(one ? [h('strong', {}, ALARMS[one.state]?.[1] || one.state), ' since ', when(one.since), one.reason ? h('p', { class: 'soft' }, one.reason) : '']
      : [`not known${told.unknown ? `: ${told.unknown}` : ': CloudWatch has no such alarm'}`]));
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

  // A partition's values by their dimensions, where there are several.
  subtitle(partition) {
    const dims = this.vertex.dims.map((d) => d.name);
    const values = partition.split('/');
    if (dims.length < 2 || values.length !== dims.length) return null;
    return h('p', { class: 'kind subtitle' }, dims.map((name, n) => `${name} ${values[n]}`).join(' · '));
  },

  // What went wrong, with the user's file and line as code.
  sentence(note) {
    return note.split(/(\([^()\s]+:\d+\))/).map((part, n) => (n % 2 ? h('code', {}, part) : part));
  },

  check(check) {
    const mark = check.passed ? 'passed' : check.severity;
    return h('li', { class: mark }, h('b', {}, check.passed ? '✓ ' : '✕ '), check.check,
      check.passed ? ' passed' : [': ', check.what, check.severity === 'warn' ? ' (a warning)' : ' (blocks)']);
  },

  times(run, name) {
    const over = OVER.includes(run.state);
    return h('p', { class: 'soft times' }, 'fired ', when(run.fired),
      run.claimed ? [`, waited ${span(run.fired, run.claimed)} for its run`,
        over ? `, ran for ${span(run.claimed, run.moved)}` : `, runs for ${span(run.claimed, Date.now())}`] : null,
      over ? [', ended ', when(run.moved)] : [`, ${name} since `, when(run.moved)]);
  },

  // Airflow's own pages, as far as it lets the user do what is done there.
  actions(run, dag, may) {
    if (!run.run) return null;
    const page = ['dags', dag, 'runs', run.run];
    return h('p', { class: 'actions' },
      may.includes('logs') ? airflowLink(run.task ? [...page, 'tasks', run.task] : page, run.task ? `Logs of ${run.task}` : 'Logs') : null,
      may.includes('clear') && OVER.includes(run.state) ? airflowLink(page, 'Clear, to run again') : null);
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
        h('p', {}, swatch(letter), h('strong', {}, STATES[letter].name), ' · ', executed),
        run.note ? h('p', { class: `why ${letter === 'F' ? 'bad' : ''}` }, this.sentence(run.note)) : null,
        run.checks.length ? h('ul', { class: 'checks', 'aria-label': 'Checks' }, run.checks.map((check) => this.check(check))) : null,
        this.times(run, STATES[letter].name),
        this.actions(run, dag, account.may),
        run.events.length ? h('ul', { class: 'events' }, run.events.map(([alias, texts, event]) =>
          h('li', {}, h('strong', {}, `${alias} ${texts}`.trim()), ' by event ', h('code', {}, event)))) : h('p', { class: 'soft' }, 'started by hand'));
    });
    place.replaceChildren(...[
      h('div', { class: 'title' }, h('h3', { tabindex: '-1' }, account.partition || 'The whole output'),
        h('button', { type: 'button', class: 'close', 'aria-label': 'Close this partition', onclick: () => this.onpartition(null) }, '✕')),
      this.subtitle(account.partition),
      ...account.waiting.map((w) => this.wait(w, false)),
      h('div', { class: 'aged' }),
      ...(account.late.length ? [h('h4', {}, 'Late'), h('ul', {}, account.late.map((one) => this.overdue(one)))] : []),
      ...account.forgotten.map((text) => h('p', { class: 'soft' }, text)),
      ...(runs.length ? [h('h4', {}, 'Why it ran'), h('ol', { class: 'runs' }, runs)] : []),
      ...(!runs.length && !account.waiting.length ? [h('p', {}, 'It has not run, and nothing that could lead to it has arrived.')] : []),
    ].filter(Boolean));
    this.aged();
    if (had) place.querySelector('h3').focus();
  },

  declaration(vertex, model, live) {
    const of = (ids) => [...ids].map((id) => h('button', { type: 'button', class: 'link', onclick: () => this.onvertex(id) }, id));
    const facts = [];
    const dims = vertex.dims.map((d) => `${d.name} ${d.type}`).join(', ');
    facts.push(['Dimensions', dims || 'none']);
    if (live && (vertex.kind === 'alarm' || vertex.kind === 'composite')) facts.push(['State', h('span', { id: 'alarm-state' }, 'not asked yet')]);
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
