// The graph: drawn once for each application, moved by a transform alone.

const WIDE = 220, HIGH = 56, LAYER = 350, ROW = 76;
const NAME = 13.5, LABEL = 11.5; // pixels of letters where the graph is near
const LEAST = 12; // pixels of a name on the screen: smaller ones cannot be read
const TINY = 0.42; // from farther away no name fits into its box
const SPACING = 5, CELL = 24; // of the points that stand for an edge, and of the squares by which they are found

const graph = {
  model: null, scale: 1, size: 1, counts: {}, told: null, x: 0, y: 0, byId: new Map(), elements: new Map(), edges: [],
  selected: null, here: null, onopen: () => {},

  draw(model) {
    this.model = model;
    this.selected = null;
    this.byId = new Map(model.vertices.map((v) => [v.id, v]));
    this.before = new Map(model.vertices.map((v) => [v.id, new Set()]));
    this.after = new Map(model.vertices.map((v) => [v.id, new Set()]));
    for (const e of model.edges) { this.before.get(e.to).add(e.from); this.after.get(e.from).add(e.to); }
    this.elements.clear();
    this.edges = [];
    const lines = svg('g', { class: 'edges', 'aria-hidden': 'true' });
    const boxes = svg('g', { class: 'vertices' });
    const ports = this.ports();
    for (const edge of model.edges) lines.append(this.edge(edge, ports));
    for (const vertex of model.vertices) boxes.append(this.vertex(vertex));
    $('view').replaceChildren(lines, boxes);
    this.here = model.vertices.length ? model.vertices[0].id : null;
    this.size = 0;
    this.counts = {};
    this.told = null;
    this.mark();
    this.home();
  },

  corner: (vertex) => [vertex.x * LAYER, vertex.y * ROW],

  // Where edges end at a vertex's left side: below each other, in the order in which they come.
  ports() {
    const ports = new Map();
    for (const id of this.byId.keys()) {
      const found = this.model.edges.filter((e) => e.to === id);
      const height = (e) => (e.bends.length ? e.bends[e.bends.length - 1][1] : this.byId.get(e.from).y);
      found.sort((a, b) => height(a) - height(b));
      const gap = Math.min(13, (HIGH - 16) / Math.max(1, found.length - 1));
      found.forEach((e, n) => ports.set(e, (n - (found.length - 1) / 2) * gap));
    }
    return ports;
  },

  edge(edge, ports) {
    const [fx, fy] = this.corner(this.byId.get(edge.from));
    const [tx, ty] = this.corner(this.byId.get(edge.to));
    const end = [tx - 2, ty + HIGH / 2 + ports.get(edge)];
    let [px, py] = [fx + WIDE, fy + HIGH / 2];
    let path = `M${px} ${py}`;
    const points = [];
    const to = (x, y) => {
      const bow = tx > fx ? (x - px) / 2 : 90;
      path += `C${px + bow} ${py} ${x - bow} ${y} ${x} ${y}`;
      const steps = Math.ceil((Math.abs(x - px) + Math.abs(y - py)) / SPACING);
      for (let n = 0; n <= steps; n += 1) points.push(bezier(n / steps, px, py, px + bow, x - bow, x, y));
      [px, py] = [x, y];
    };
    for (const [layer, row] of edge.bends) {
      to(layer * LAYER, row * ROW + HIGH / 2);
      for (let x = px; x < px + WIDE; x += SPACING) points.push([x, py]);
      path += `H${px += WIDE}`;
    }
    to(...end);
    const group = svg('g', { class: `edge ${edge.kind}` },
      svg('path', { d: path }));
    if (edge.label) group.append(svg('text', { 'text-anchor': 'middle' }));
    this.edges.push([edge, group, points]);
    return group;
  },

  // Put each label beside its own edge where it lies upon no other one, no node and no other label. One that finds
  // no such place is left out: the node's declaration says it, too.
  label() {
    const labelled = this.edges.filter(([edge]) => edge.label);
    if (!labelled.length) return;
    const squares = new Map();
    const add = (x, y, owner) => {
      const key = `${Math.floor(x / CELL)} ${Math.floor(y / CELL)}`;
      if (!squares.has(key)) squares.set(key, []);
      squares.get(key).push([x, y, owner]);
    };
    const block = (left, top, wide, high) => {
      for (let x = left; x <= left + wide; x += SPACING) for (let y = top; y <= top + high; y += SPACING) add(x, y, null);
    };
    for (const [edge, , points] of this.edges) for (const [x, y] of points) add(x, y, edge);
    for (const vertex of this.byId.values()) block(...this.corner(vertex), WIDE, HIGH);
    const high = LABEL * this.size;
    // How many points of the own edge are below a label there; Infinity where anything else is.
    const cost = (edge, left, top, wide) => {
      let own = 0;
      for (let i = Math.floor((left - 4) / CELL); i <= Math.floor((left + wide + 4) / CELL); i += 1) {
        for (let j = Math.floor((top - 4) / CELL); j <= Math.floor((top + high + 4) / CELL); j += 1) {
          for (const [x, y, owner] of squares.get(`${i} ${j}`) || []) {
            if (x < left - 4 || x > left + wide + 4 || y < top - 4 || y > top + high + 4) continue;
            if (owner !== edge) return Infinity;
            own += 1;
          }
        }
      }
      return own;
    };
    for (const [edge, group, points] of labelled) {
      const text = group.querySelector('text');
      const font = `${LABEL * this.size}px`;
      // The whole of it where there is room, else its beginning.
      let said, wide, place = null;
      for (said of new Set([edge.label, shorten(edge.label, LAYER - WIDE - 18, font)])) {
        wide = measure(said, font);
        let least = Infinity;
        for (let n = points.length - 3; n > 2 && least; n -= 2) {
          const [x, y] = points[n];
          for (const top of [y - high - 5, y + 5]) {
            const found = cost(edge, x - wide / 2, top, wide);
            if (found < least) [least, place] = [found, [x, top]];
          }
        }
        if (place) break;
      }
      text.classList.toggle('nowhere', !place);
      if (!place) continue;
      text.textContent = said;
      const title = svg('title');
      title.textContent = edge.label;
      text.append(title);
      text.setAttribute('x', place[0]);
      text.setAttribute('y', place[1] + high * 0.82);
      block(place[0] - wide / 2, place[1], wide, high);
    }
  },

  // Letters keep a size that can be read, however far away the graph is; names are cut to the room that is left.
  letter() {
    const size = Math.ceil(Math.max(1, LEAST / (NAME * this.scale)) * 20) / 20;
    if (size === this.size || this.scale < TINY) return;
    this.size = size;
    $('view').style.setProperty('--size', size);
    $('canvas').classList.toggle('small', size > 1.15);
    for (const [id, group] of this.elements) {
      const inset = this.inset(this.byId.get(id));
      const room = WIDE - 2 * inset - (size > 1.15 ? 0 : 22);
      const [name, below] = [group.querySelector('.name'), group.querySelector('.below')];
      name.textContent = shorten(id, room, `600 ${NAME * size}px`);
      name.setAttribute('x', size > 1.15 ? inset : inset + 24);
      name.setAttribute('y', size > 1.15 ? HIGH / 2 + NAME * size * 0.25 : 23);
      below.textContent = shorten(below.dataset.text, room, '11.5px');
    }
    this.label();
    this.states(this.counts);
    this.alarms(this.told);
  },

  inset: (vertex) => (vertex.kind === 'node' ? 12 : 20),

  vertex(vertex) {
    const [x, y] = this.corner(vertex);
    const text = (content, attributes) => {
      const element = svg('text', attributes);
      element.textContent = content;
      return element;
    };
    const dims = vertex.dims.map((d) => d.name).join(', ');
    const plain = ['alarm', 'composite', 'metric'].includes(vertex.kind); // their dimensions are always the same
    const below = vertex.kind === 'node' ? dims || 'no dimensions' : [KINDS[vertex.kind], plain ? '' : dims].filter(Boolean).join(' · ');
    const shape = svg('rect', { class: 'box', width: WIDE, height: HIGH, rx: vertex.kind === 'node' ? 8 : HIGH / 2 });
    const inset = this.inset(vertex);
    const picture = svg('g', { transform: `translate(${inset} 12)` }, icon(vertex.kind));
    const group = svg('g', {
      class: `vertex ${vertex.kind}`, transform: `translate(${x} ${y})`, role: 'button', tabindex: '-1',
      'data-id': vertex.id, 'aria-label': `${vertex.id}, ${KINDS[vertex.kind]}`,
    }, shape, picture,
    text('', { class: 'name' }),
    text('', { class: 'below', x: inset + 24, y: 39, 'data-text': below }),
    svg('g', { class: 'states' }), svg('g', { class: 'alarms' }));
    const title = svg('title');
    title.textContent = `${vertex.id}\n${below}`;
    group.append(title);
    this.elements.set(vertex.id, group);
    return group;
  },

  // A bar of the partitions' states, and a number where something failed or runs.
  states(counts) {
    this.counts = counts;
    for (const [id, group] of this.elements) {
      const found = counts[id];
      const place = group.querySelector('.states');
      const total = Object.values(found || {}).reduce((a, b) => a + b, 0);
      place.replaceChildren();
      if (!total) continue;
      let x = 10;
      for (const letter of ORDER.filter((l) => found[l])) {
        // What failed is seen even when it is one of thousands.
        const width = Math.max(4, (WIDE - 20) * found[letter] / total);
        place.append(svg('rect', { class: `f${letter === '.' ? 'M' : letter}`, x, y: HIGH - 8, height: 4,
          width: Math.min(width, WIDE - 10 - x) }));
        x = Math.min(x + width, WIDE - 14);
      }
      group.classList.toggle('bad', Boolean(found.F));
      const said = ORDER.filter((l) => found[l]).map((l) => `${found[l]} ${STATES[l].name}`).join(', ');
      group.setAttribute('aria-label', `${id}, node, ${said}`);
      let right = WIDE - 8;
      for (const letter of ['F', 'R'].filter((l) => found[l])) {
        right = this.badge(place, right, letter, `${STATES[letter].sign} ${found[letter]}`);
      }
    }
  },

  // A few words on the upper edge of a vertex, left of ``right``; returns where the next one ends.
  badge(place, right, letter, label) {
    const size = Math.max(1, this.size);
    const width = (10 + 6.5 * label.length) * size;
    const top = -9 * size - 8 * (size - 1); // above the name, when that is large
    const content = svg('text', { x: right - width / 2, y: top + 12.5 * size, 'text-anchor': 'middle' });
    content.textContent = label;
    place.append(svg('g', { class: `badge b${letter}` },
      svg('rect', { x: right - width, y: top, width, height: 17 * size, rx: 8.5 * size }), content));
    return right - width - 4 * size;
  },

  // The states of the alarms, as CloudWatch has them.
  alarms(told) {
    this.told = told;
    for (const [id, group] of told ? this.elements : []) {
      const vertex = this.byId.get(id);
      if (vertex.kind !== 'alarm' && vertex.kind !== 'composite') continue;
      const [mark, words] = ALARMS[told.alarms[id]?.state] || ['', 'state not known'];
      for (const [other] of Object.values(ALARMS)) group.classList.toggle(other, other === mark);
      const below = group.querySelector('.below');
      below.dataset.text = `${KINDS[vertex.kind]} · ${words}`;
      below.textContent = shorten(below.dataset.text, WIDE - 2 * this.inset(vertex) - 22, '11.5px');
      group.querySelector('title').textContent = `${id}\n${below.dataset.text}`;
      group.setAttribute('aria-label', `${id}, ${KINDS[vertex.kind]}, ${words}`);
      const place = group.querySelector('.alarms');
      place.replaceChildren();
      if (mark === 'alarmed') this.badge(place, WIDE - 8, 'F', '! ALARM');
    }
  },

  // --- what is chosen ---

  select(id, { reveal = true } = {}) {
    this.selected = this.byId.has(id) ? id : null;
    if (this.selected) { this.here = id; if (reveal) this.reveal(id); }
    this.mark();
  },

  mark() {
    const near = this.selected ? this.lineage(this.selected) : null;
    const only = $('near').getAttribute('aria-pressed') === 'true' && this.selected;
    const kept = only ? new Set([this.selected, ...this.before.get(this.selected), ...this.after.get(this.selected)]) : near;
    $('view').classList.toggle('only', Boolean(only));
    for (const [id, group] of this.elements) {
      group.classList.toggle('selected', id === this.selected);
      group.classList.toggle('far', Boolean(kept) && !kept.has(id));
      group.setAttribute('tabindex', id === this.here ? '0' : '-1');
      if (id === this.selected) group.setAttribute('aria-current', 'true'); else group.removeAttribute('aria-current');
    }
    for (const [edge, group] of this.edges) {
      const touches = edge.from === this.selected || edge.to === this.selected;
      group.classList.toggle('touches', touches);
      group.classList.toggle('far', Boolean(kept) && (only ? !touches : !(kept.has(edge.from) && kept.has(edge.to))));
    }
    $('near').disabled = !this.selected;
  },

  // All that leads to a vertex, and all that it leads to.
  lineage(id) {
    const found = new Set([id]);
    for (const next of [this.before, this.after]) {
      const stack = [id];
      while (stack.length) for (const other of next.get(stack.pop())) {
        if (!found.has(other)) { found.add(other); stack.push(other); }
      }
    }
    return found;
  },

  focus(id) {
    this.here = id;
    this.mark();
    this.reveal(id);
    this.elements.get(id).focus({ preventScroll: true });
  },

  walk(key) {
    const here = this.byId.get(this.here);
    const distance = (v) => Math.abs(v.y - here.y);
    const nearest = (ids) => [...ids].map((id) => this.byId.get(id)).sort((a, b) => distance(a) - distance(b))[0];
    let next = null;
    if (key === 'ArrowRight') next = nearest(this.after.get(here.id));
    if (key === 'ArrowLeft') next = nearest(this.before.get(here.id));
    if (key === 'ArrowUp' || key === 'ArrowDown') {
      const sign = key === 'ArrowUp' ? -1 : 1;
      next = nearest(this.model.vertices.filter((v) => v.x === here.x && (v.y - here.y) * sign > 0).map((v) => v.id));
    }
    if (key === 'Home') next = this.model.vertices[0];
    if (key === 'End') next = this.model.vertices[this.model.vertices.length - 1];
    if (next) this.focus(next.id);
  },

  // --- moving about ---

  move() {
    $('view').setAttribute('transform', `translate(${this.x} ${this.y}) scale(${this.scale})`);
    $('canvas').classList.toggle('tiny', this.scale < TINY);
    this.letter();
  },

  // The whole graph where its names can be read so, else where it begins.
  home() {
    this.fit();
    if (this.scale >= TINY) return;
    const first = this.model.vertices.filter((v) => v.x === this.model.vertices[0].x).map((v) => v.y);
    const middle = (first[0] + first[first.length - 1]) / 2;
    const high = $('canvas').getBoundingClientRect().height - $('legend').offsetHeight;
    this.scale = 0.9;
    this.x = 24;
    this.y = high / 2 - (middle * ROW + HIGH / 2) * this.scale;
    this.move();
  },

  fit() {
    const box = $('canvas').getBoundingClientRect();
    const wide = Math.max(...this.model.vertices.map((v) => v.x * LAYER + WIDE), WIDE);
    const high = Math.max(...this.model.vertices.map((v) => v.y * ROW + HIGH), HIGH);
    const room = $('legend').offsetHeight + 24;
    this.scale = Math.min(1.15, (box.width - 48) / wide, (box.height - 24 - room) / high) || 1;
    this.x = (box.width - wide * this.scale) / 2;
    this.y = 24 + Math.max(0, (box.height - 24 - room - high * this.scale) / 2.5);
    this.move();
  },

  zoom(factor, cx, cy) {
    const box = $('canvas').getBoundingClientRect();
    const [px, py] = [cx ?? box.width / 2, cy ?? box.height / 2];
    const scale = Math.min(2.5, Math.max(0.04, this.scale * factor));
    this.x = px - (px - this.x) * scale / this.scale;
    this.y = py - (py - this.y) * scale / this.scale;
    this.scale = scale;
    this.move();
  },

  // Bring a vertex into sight, and near enough to be read.
  reveal(id) {
    const box = $('canvas').getBoundingClientRect();
    const [x, y] = this.corner(this.byId.get(id));
    if (this.scale < 0.6) this.scale = 0.9;
    const [left, top] = [x * this.scale + this.x, y * this.scale + this.y];
    const room = $('legend').offsetHeight + 20;
    if (left < 20 || left + WIDE * this.scale > box.width - 20 || top < 20 || top + HIGH * this.scale > box.height - room) {
      this.x = (box.width - WIDE * this.scale) / 2 - x * this.scale;
      this.y = (box.height - room - HIGH * this.scale) / 2 - y * this.scale;
    }
    this.move();
  },

  listen() {
    const canvas = $('canvas');
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    let grip = null, moved = false;
    canvas.addEventListener('pointerdown', (event) => {
      grip = [event.clientX - this.x, event.clientY - this.y];
      moved = false;
    });
    window.addEventListener('pointermove', (event) => {
      if (!grip) return;
      const [x, y] = [event.clientX - grip[0], event.clientY - grip[1]];
      if (!moved && Math.hypot(x - this.x, y - this.y) < 4) return;
      moved = true;
      canvas.classList.add('held');
      [this.x, this.y] = [x, y];
      this.move();
    });
    window.addEventListener('pointerup', () => { grip = null; canvas.classList.remove('held'); });
    canvas.addEventListener('click', (event) => {
      if (moved) return;
      const vertex = event.target.closest('.vertex');
      this.onopen(vertex ? vertex.dataset.id : null);
    });
    canvas.addEventListener('keydown', (event) => {
      const vertex = event.target.closest('.vertex');
      if (!vertex || event.ctrlKey || event.metaKey || event.altKey) return;
      if (['ArrowRight', 'ArrowLeft', 'ArrowUp', 'ArrowDown', 'Home', 'End'].includes(event.key)) this.walk(event.key);
      else if (event.key === 'Enter' || event.key === ' ') this.onopen(vertex.dataset.id, true);
      else return;
      event.preventDefault();
    });
    // From afar a node has no room for its name.
    canvas.addEventListener('pointermove', (event) => {
      const vertex = this.scale < TINY && !grip && event.target.closest('.vertex');
      if (vertex) tip(vertex.dataset.id, vertex.querySelector('.box')); else $('tooltip').hidden = true;
    });
    canvas.addEventListener('pointerleave', () => { $('tooltip').hidden = true; });
    canvas.addEventListener('focusin', (event) => {
      const vertex = event.target.closest('.vertex');
      if (vertex && vertex.dataset.id !== this.here) { this.here = vertex.dataset.id; this.mark(); }
    });
  },
};

// Where a curve is after the part ``t`` of it; it leaves and comes in flat.
function bezier(t, x0, y0, x1, x2, x3, y3) {
  const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t ** 2 * (1 - t), t ** 3];
  return [a * x0 + b * x1 + c * x2 + d * x3, (a + b) * y0 + (c + d) * y3];
}

const pen = document.createElement('canvas').getContext('2d');

function measure(text, font) {
  pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

// As much of a text as is at most so many pixels wide.
function shorten(text, width, font) {
  if (measure(text, font) <= width) return text;
  let kept = text;
  while (kept && pen.measureText(kept + '…').width > width) kept = kept.slice(0, -1);
  return kept + '…';
}
