// Sends keys to the server, one after the other, and says whether what they did is saved.
(() => {
  const saved = document.getElementById("saved")
  const lost = document.getElementById("lost")
  let sent = 0
  let gone = false
  let browser = null

  const state = () => {
    if (gone || browser == null) return
    const waiting = browser.answered < sent
    saved.textContent = waiting ? "saving …" : "all saved"
    saved.classList.toggle("waiting", waiting)
  }
  const cut = () => {
    gone = true
    saved.textContent = "not connected"
    saved.classList.add("lost")
    lost.textContent = browser != null && browser.answered < sent
      ? "The server has stopped before your last key was saved. What was saved before is safe. Start the server again and open its new address."
      : "The server has stopped. Everything was saved. Start it again and open its new address."
    lost.classList.add("on")
  }
  const back = () => {
    gone = false
    saved.classList.remove("lost")
    lost.classList.remove("on")
    state()
  }
  const send = (key) => {
    if (gone || browser == null) return
    sent += 1
    browser.key = `${sent} ${key}`
    state()
  }
  const note = () => Bokeh.documents[0].get_model_by_name("note")
  const field = (event) => ["INPUT", "TEXTAREA"].includes(event.composedPath()[0].tagName)

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (field(event)) {
      if (event.key == "Enter" || event.key == "Escape") event.composedPath()[0].blur()
      return
    }
    // Where the layout has other letters, the key's place counts; + and - need no Shift.
    const letter = /^Key([A-Z])$/.exec(event.code)
    const same = { "=": "+", "_": "-" }
    const said = letter != null && !/^[ -~]$/.test(event.key) ? letter[1] : same[event.key] ?? event.key
    // Backspace removes a corner, which bokeh does; letters mean the same with capitals.
    if (event.key == "Backspace" || event.key == "Shift") return
    const plain = said.length == 1 ? said.toLowerCase() : said
    const key = event.shiftKey && said.length > 1 ? `Shift+${plain}` : plain
    if (["Tab", " ", "ArrowLeft", "ArrowRight", "Enter", "Escape"].includes(event.key)) event.preventDefault()
    if (!event.repeat || ["ArrowLeft", "ArrowRight", "Tab", "+", "-"].includes(said)) send(key)
  })
  document.addEventListener("click", (event) => {
    const button = event.composedPath().find((part) => part.dataset && part.dataset.key != null)
    if (button != null) {
      button.blur()
      send(button.dataset.key)
    }
  })

  const begin = () => {
    const held = window.Bokeh && Bokeh.documents.length ? Bokeh.documents[0] : null
    const found = held && held.get_model_by_name("browser")
    if (found == null) {
      setTimeout(begin, 50)
      return
    }
    browser = found
    held.on_event("connection_lost", cut)
    held.on_event("client_reconnected", back)
    browser.properties.answered.change.connect(state)
    browser.properties.focus.change.connect(() => {
      const view = Bokeh.index.get_by_id ? Bokeh.index.get_by_id(note().id) : Bokeh.index[note().id]
      if (view != null) view.input_el.focus()
    })
    state()
    document.body.dataset.ready = "yes"
  }
  begin()
})()
