package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const (
	// The size and the load for which the speed of the API is promised, and how
	// fast it shall be.
	apiPaymentsAim    = 1_000_000
	apiClientsAim     = 8
	apiPageP99Aim     = 15.0 // milliseconds
	apiPagesAim       = 1000.0
	apiByIDAim        = 5000.0
	apiDepthAim       = 9000
	apiDepthRatioAim  = 0.9
	apiPage           = 100
	apiClientsMost    = 1000
	apiConnectors     = 4
	apiWalkPlotPoints = 90
	apiCeilingName    = "the same query on the store in this process, without HTTP and JSON"
	apiStoreShare     = 2 // the store is asked for half as long as the API
)

type apiBench struct {
	payments   int
	clients    int
	depth      int
	connectors int
	lasting    time.Duration
	store      benchStore
	output     benchOutput
}

func benchAPICommand() *cobra.Command {
	var b apiBench
	c := &cobra.Command{
		Use:   "api",
		Short: "Measure how fast the API reads payments",
		Long: `Fill a fresh store with payments, run a payments core on it in a process of its
own, and ask its API over HTTP on loopback, with connections that are kept: pages
of 100 at the beginning of the list and deep in it, payments by their id, and
lists filtered by reference, by status and by metadata.

The clients run in the measuring process, on the same processors. The counterpart
of each is the same query on the store in this process, without HTTP and JSON.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.payments, "payments", apiPaymentsAim, "how many payments the store holds")
	flags.IntVar(&b.connectors, "connectors", apiConnectors, "how many connectors they belong to")
	flags.IntVar(&b.clients, "clients", apiClientsAim, "how many clients ask side by side")
	flags.IntVar(&b.depth, "depth", apiDepthAim, "which page of the list is the deep one")
	flags.DurationVar(&b.lasting, "for", 4*time.Second, "how long to ask each question")
	b.store.add(flags)
	b.output.add(flags)
	return c
}

func (b *apiBench) check() error {
	if b.payments < 2*apiPage || b.clients < 1 || b.clients > apiClientsMost || b.depth < 1 || b.lasting <= 0 || b.connectors < 1 || b.connectors > b.payments {
		return fmt.Errorf("--payments must be at least %d, --clients between 1 and %d, --depth, --connectors and --for above zero", 2*apiPage, apiClientsMost)
	}
	// The page after the deep one must still be a whole one.
	b.depth = min(b.depth, b.payments/apiPage-1)
	return nil
}

func (b *apiBench) run(ctx context.Context, out io.Writer) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	report := newReport("api", fmt.Sprintf("weir bench api --payments %d --connectors %d --clients %d --depth %d --for %s%s",
		b.payments, b.connectors, b.clients, b.depth, b.lasting, b.store.arguments()))
	report.Title = fmt.Sprintf("Reads at %d payments of %d connectors, %d clients side by side", b.payments, b.connectors, b.clients)
	place, err := b.store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	filled := fill{payments: b.payments, connectors: make([]hub.ConnectorID, b.connectors)}
	if err := filled.into(ctx, place.options(), out); err != nil {
		return err
	}
	questions := b.questions(&filled)
	if err := b.ask(ctx, out, place, questions, report); err != nil {
		return err
	}
	b.aim(report)
	report.Notes = append(report.Notes,
		fmt.Sprintf("page %d was reached by following the cursors of all pages before it", b.depth),
		"the processor time and the memory are the core's; its clients spend theirs on the same processors",
	)
	return b.output.write(out, report)
}

// A question is one thing that clients ask for.
type question struct {
	name, unit string
	// path is what a client asks the API for, by the number of the call.
	path func(number int64) string
	// ask is the same on the store.
	ask func(ctx context.Context, s *store.Store, number int64) error
}

// The names of the questions that targets speak of.
const (
	askFirstPage = "page of 100, the first"
	askByID      = "payment by id"
)

func (b *apiBench) askDeepPage() string { return fmt.Sprintf("page of 100, number %d", b.depth) }

func (b *apiBench) questions(filled *fill) []question {
	sample := func(number int64) hub.PaymentID { return filled.samples[int(number*7919)%len(filled.samples)] }
	reference := func(number int64) string { return sample(number).Reference }
	return []question{
		list(askFirstPage, nil, nil),
		list(b.askDeepPage(), nil, nil),
		{
			name: askByID, unit: "payments",
			path: func(number int64) string { return "/v3/payments/" + sample(number).String() },
			ask: func(ctx context.Context, s *store.Store, number int64) error {
				_, err := s.Payment(ctx, sample(number))
				return err
			},
		},
		list("filter: one reference", func(number int64) string {
			return fmt.Sprintf(`{"$match":{"reference":%q}}`, reference(number))
		}, func(number int64) hub.Filter {
			return hub.CompareText{Field: hub.FieldReference, Operator: hub.Equal, Text: reference(number)}
		}),
		list("filter: a common status", func(int64) string { return `{"$match":{"status":"SUCCEEDED"}}` },
			func(int64) hub.Filter { return ofStatus("SUCCEEDED") }),
		list("filter: a rare status", func(int64) string { return `{"$match":{"status":"EXPIRED"}}` },
			func(int64) hub.Filter { return ofStatus("EXPIRED") }),
		list("filter: metadata of one in ten", func(int64) string { return `{"$match":{"metadata[channel]":"web"}}` },
			func(int64) hub.Filter { return hub.HasMetadata{Key: "channel", Value: "web"} }),
		list("filter: metadata of one payment", func(number int64) string {
			return fmt.Sprintf(`{"$match":{"metadata[order]":%q}}`, orderOf(reference(number)))
		}, func(number int64) hub.Filter { return hub.HasMetadata{Key: "order", Value: orderOf(reference(number))} }),
	}
}

// orderOf is the order in the metadata of the payment with that reference.
func orderOf(reference string) string {
	return "A-" + strings.TrimLeft(strings.TrimPrefix(reference, "tx_"), "0")
}

func ofStatus(status hub.PaymentStatus) hub.Filter {
	return hub.CompareText{Field: hub.FieldStatus, Operator: hub.Equal, Text: string(status)}
}

// list is the question for a page of 100 with a filter, in the words of the API
// and in those of the store; nil asks for all.
func list(name string, words func(int64) string, filter func(int64) hub.Filter) question {
	return question{
		name: name, unit: "pages",
		path: func(number int64) string {
			path := fmt.Sprintf("/v3/payments?pageSize=%d", apiPage)
			if words != nil {
				path += "&query=" + url.QueryEscape(words(number))
			}
			return path
		},
		ask: func(ctx context.Context, s *store.Store, number int64) error {
			query := hub.ListQuery{Limit: apiPage}
			if filter != nil {
				query.Filter = filter(number)
			}
			_, err := s.Payments(ctx, query)
			return err
		},
	}
}

// ask asks all questions, each of a core's API and right after that of the store,
// so that what else goes on at the machine falls on both.
func (b *apiBench) ask(ctx context.Context, out io.Writer, place *benchPlace, questions []question, report *bench.Report) (err error) {
	core, err := startBenchHub(ctx, place.arguments()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, core.stop()) }()
	stores, closeStores, err := place.openStores(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStores()) }()
	show := newProgress(out)
	defer show.end()
	cursor, walked, err := b.walk(ctx, core, show)
	if err != nil {
		return err
	}
	deep, err := b.deepQuery(ctx, stores[0])
	if err != nil {
		return err
	}
	report.Plots = append(report.Plots, walked)
	conns, hangUp, err := dialAll(ctx, core.base, b.clients)
	if err != nil {
		return err
	}
	defer hangUp()
	for _, q := range questions {
		show.line(q.name)
		if q.name == b.askDeepPage() {
			q.path = func(int64) string { return "/v3/payments?cursor=" + cursor }
			q.ask = func(ctx context.Context, s *store.Store, _ int64) error {
				_, err := s.Payments(ctx, deep)
				return err
			}
		}
		row, err := b.overHTTP(ctx, q, core, place, conns)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		load := bench.Load{Clients: b.clients, For: b.lasting / apiStoreShare}
		loaded, err := load.Run(ctx, func(ctx context.Context, client int, number int64) error {
			return q.ask(ctx, stores[client%len(stores)], number)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		row.Against(apiCeilingName, float64(loaded.Latencies.Count())/loaded.Elapsed.Seconds())
		report.Rows = append(report.Rows, row)
	}
	return nil
}

// overHTTP asks one question of a core's API.
func (b *apiBench) overHTTP(ctx context.Context, q question, core *benchHub, place *benchPlace, conns []*bench.Conn) (bench.Row, error) {
	before, server := core.usage(), place.serverCPU()
	load := bench.Load{Clients: b.clients, For: b.lasting}
	loaded, err := load.Run(ctx, func(_ context.Context, client int, number int64) error {
		_, err := conns[client].Get(q.path(number))
		return err
	})
	if err != nil {
		return bench.Row{}, err
	}
	used := core.usage()
	row := bench.Row{Name: q.name, Unit: q.unit, PeakRSSBytes: used.peakRSS}
	row.Rate(loaded.Latencies.Count(), loaded.Elapsed)
	row.Latencies(&loaded.Latencies)
	row.Used(used.cpu - before.cpu)
	row.DatabaseUsed(place.serverCPU() - server)
	return row, nil
}

// deepQuery finds the place of the deep page in the store.
func (b *apiBench) deepQuery(ctx context.Context, s *store.Store) (hub.ListQuery, error) {
	deep := hub.ListQuery{Limit: apiPage}
	for range b.depth - 1 {
		page, err := s.Payments(ctx, deep)
		if err != nil {
			return deep, err
		}
		deep.At = page.Last
	}
	return deep, nil
}

// dialAll connects so many clients. hangUp closes their connections.
func dialAll(ctx context.Context, base string, clients int) (conns []*bench.Conn, hangUp func(), err error) {
	hangUp = func() {
		for _, conn := range conns {
			_ = conn.Close() // nothing is left to be lost
		}
	}
	for range clients {
		conn, err := bench.Dial(ctx, base)
		if err != nil {
			hangUp()
			return nil, nil, err
		}
		conns = append(conns, conn)
	}
	return conns, hangUp, nil
}

// walk follows the cursors from the first page to the one before the deep one,
// with one client, and returns the deep one's cursor.
func (b *apiBench) walk(ctx context.Context, core *benchHub, show *progress) (cursor string, plot bench.Plot, err error) {
	conn, err := bench.Dial(ctx, core.base)
	if err != nil {
		return "", plot, err
	}
	defer conn.Close() //nolint:errcheck // nothing is left to be lost
	plot = bench.Plot{Title: "Time for a page by its depth, one client", X: "page", Y: "milliseconds"}
	half, slow := bench.Series{Name: "half of the pages within"}, bench.Series{Name: "99 % of the pages within"}
	var some bench.Latencies
	path := fmt.Sprintf("/v3/payments?pageSize=%d", apiPage)
	for number := 1; number < b.depth; number++ {
		began := time.Now()
		body, err := conn.Get(path)
		if err != nil {
			return "", plot, err
		}
		some.Add(time.Since(began))
		if cursor = nextOf(body); cursor == "" {
			return "", plot, fmt.Errorf("page %d is the last", number)
		}
		path = "/v3/payments?cursor=" + cursor
		if some.Count() >= int64(max(b.depth/apiWalkPlotPoints, 1)) {
			half.Points = append(half.Points, bench.Point{X: float64(number), Y: float64(some.Percentile(50).Microseconds()) / 1000})
			slow.Points = append(slow.Points, bench.Point{X: float64(number), Y: float64(some.Percentile(99).Microseconds()) / 1000})
			some = bench.Latencies{}
		}
		show.line(fmt.Sprintf("page %d of %d on the way to the deep one", number, b.depth))
		if err := ctx.Err(); err != nil {
			return "", plot, err
		}
	}
	plot.Series = []bench.Series{half, slow}
	return cursor, plot, nil
}

// nextOf is the cursor of the next page in an answer; it stands before the rows.
func nextOf(page []byte) string {
	_, rest, found := bytes.Cut(page, []byte(`"next":"`))
	if !found {
		return ""
	}
	next, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(next)
}

// aim holds the rows against what is promised, where the run is the promised one.
func (b *apiBench) aim(report *bench.Report) {
	if b.payments < apiPaymentsAim || b.clients != apiClientsAim || b.depth < apiDepthAim {
		return
	}
	var first float64
	for i := range report.Rows {
		row := &report.Rows[i]
		switch row.Name {
		case askFirstPage:
			first = row.PerSecond
			row.Aim("p99 within 15 ms", row.P99Milliseconds <= apiPageP99Aim)
			row.Aim("at least 1,000 pages a second", row.PerSecond >= apiPagesAim)
		case b.askDeepPage():
			row.Aim("p99 within 15 ms", row.P99Milliseconds <= apiPageP99Aim)
			row.Aim("at least 1,000 pages a second", row.PerSecond >= apiPagesAim)
			row.Aim("as fast as the first page, within 10 %", row.PerSecond >= first*apiDepthRatioAim)
		case askByID:
			row.Aim("at least 5,000 a second", row.PerSecond >= apiByIDAim)
		}
	}
}
