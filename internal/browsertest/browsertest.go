// Package browsertest opens a report in headless Chromium the way a person does,
// from a file, and reports what a person would not see: console errors and
// network requests.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/isocost/isocost/internal/nativelib"
)

// Page is an open page. Troubles holds console errors, exceptions and requests
// that left the disk, in order.
type Page struct {
	t     *testing.T
	ctx   context.Context
	width int64

	mu       sync.Mutex
	troubles []string
}

// Open loads the file in a window of the given size (CSS pixels). Without
// Chromium the test is skipped, or fails when ISOCOST_REQUIRE_NATIVE is 1.
func Open(t *testing.T, file string, width, height int) *Page {
	t.Helper()
	browser := find()
	if browser == "" {
		nativelib.Missing(t, errors.New("no Chromium here; install it (Debian: apt-get install chromium) or name it in CHROME_BIN"))
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &Page{t: t, width: int64(width)}
	ctx, cancel := chromedp.NewContext(t.Context(),
		chromedp.WithListener(p.listen),
		chromedp.WithAllocatorOptions(
			chromedp.ExecPath(browser),
			chromedp.NoSandbox, // containers run tests as root, where the sandbox cannot start
			chromedp.WindowSize(width, height),
			chromedp.WSURLReadTimeout(2*time.Minute), // a busy machine takes its time to start it
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-background-networking", true),
		))
	t.Cleanup(cancel)
	p.ctx = ctx
	p.Do(enable(network.Enable, network.EnableParams{}), enable(runtime.Enable, cdp.Empty{}), enable(log.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(int64(width), int64(height)),
		chromedp.Navigate((&url.URL{Scheme: "file", Path: abs}).String()),
		chromedp.WaitReady("body"))
	return p
}

// enable switches a domain of the browser's events on.
func enable[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, cmd, params)
		return chromedp.Void{}, err
	}
}

func (p *Page) listen(event any) {
	note := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		note = (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			note = fmt.Sprintf("console %s: %v", e.Type, e.Args)
		}
	case *log.EventEntryAdded:
		note = fmt.Sprintf("log %s: %s", e.Entry.Level, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
			note = "request: " + u
		}
	}
	if note != "" {
		p.mu.Lock()
		p.troubles = append(p.troubles, note)
		p.mu.Unlock()
	}
}

// Do runs browser actions and fails the test when one does.
func (p *Page) Do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// Eval evaluates a JavaScript expression on the page.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// Troubles returns what went wrong so far.
func (p *Page) Troubles() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.troubles...)
}

// settle is the time a scroll or a tooltip takes to be drawn.
const settle = 50 * time.Millisecond

// Hover moves the pointer over the n-th element matching the selector and
// returns the text of the page's tooltip, "" when none shows.
func (p *Page) Hover(selector string, n int) string {
	p.t.Helper()
	at := Eval[[]float64](p, fmt.Sprintf(`(() => { const e = document.querySelectorAll(%q)[%d]; e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return [r.x + r.width/2, r.y + r.height/2]; })()`, selector, n))
	time.Sleep(settle) // the scroll hides the tooltip
	for range 20 {     // on a busy machine scroll and pointer may still be under way
		p.Do(chromedp.MouseEvent("mouseMoved", 0, 0), chromedp.MouseEvent("mouseMoved", at[0], at[1]))
		time.Sleep(settle)
		if text := Eval[string](p, `document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent`); text != "" {
			return text
		}
	}
	return ""
}

// Screenshot saves the first height pixels of the page as PNG.
func (p *Page) Screenshot(file string, height int) {
	p.t.Helper()
	p.Do(chromedp.EmulateViewport(p.width, int64(height)), chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))
	time.Sleep(settle)
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// CheckReport checks what every report promises: no console errors, no network,
// no sideways scrolling, marks in every chart, a tooltip on hover, sorting tables.
func (p *Page) CheckReport() {
	p.t.Helper()
	charts := Eval[int](p, `document.querySelectorAll("svg.chart").length`)
	empty := Eval[int](p, `[...document.querySelectorAll("svg.chart")].filter(s => !s.querySelector(".mark")).length`)
	overflow := Eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
	if charts == 0 || empty > 0 {
		p.t.Errorf("%d charts, %d of them without marks", charts, empty)
	}
	if overflow > 0 {
		p.t.Errorf("the page is %d px wider than the window", overflow)
	}
	if charts > 0 {
		if tip := p.Hover("svg.chart .mark", 0); !strings.Contains(tip, ":") {
			p.t.Errorf("hovering a mark shows %q, want its values", tip)
		}
	}
	sorted := Eval[bool](p, `[...document.querySelectorAll("table.sortable")].every(t => {
		const i = [...t.tHead.rows[0].cells].findIndex(h => h.classList.contains("num"));
		if (i < 0) return true;
		t.tHead.rows[0].cells[i].querySelector("button").click();
		const v = [...t.tBodies[0].rows].map(r => Number(r.cells[i].dataset.v));
		return v.every((x, k) => k === 0 || v[k-1] <= x);
	})`)
	if !sorted {
		p.t.Error("a table does not sort by its first numeric column")
	}
	if troubles := p.Troubles(); len(troubles) > 0 {
		p.t.Errorf("the browser reports:\n%s", strings.Join(troubles, "\n"))
	}
}

// find names the browser's program, "" when there is none.
func find() string {
	if b := os.Getenv("CHROME_BIN"); b != "" {
		return b
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
