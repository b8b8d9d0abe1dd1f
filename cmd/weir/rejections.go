package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/hub"
)

// rejectionInfo is a record in quarantine as the API shows it.
type rejectionInfo struct {
	ID          int64      `json:"id"`
	Reference   *string    `json:"reference"`
	StampedAt   *time.Time `json:"stampedAt"`
	Reason      string     `json:"reason"`
	RawBytes    int        `json:"rawBytes"`
	FirstSeenAt time.Time  `json:"firstSeenAt"`
	LastSeenAt  time.Time  `json:"lastSeenAt"`
	ResolvedAt  *time.Time `json:"resolvedAt"`
	Raw         []byte     `json:"raw"`
}

const (
	// rejectionsShown is how many rejections of a stream are listed; who has more
	// has one reason for all of them.
	rejectionsShown = 100
	// referenceColumnsMax bounds what a service calls an identifier.
	referenceColumnsMax = 32
)

func rejectionsCommand() *cobra.Command {
	var server serverFlags
	var all bool
	c := &cobra.Command{
		Use:   "rejections CONNECTOR [STREAM]",
		Short: "List the records in quarantine, each with its reason",
		Long: `List the records that could not be read, the newest first, each with the reason and
an ID for "weir rejections show" and "weir rejections replay".

A record leaves quarantine by itself once the service has mended it and it is read
again. To have many of them read again, rewind the stream: see "weir rewind".`,
		Args:              oneOrTwo("CONNECTOR", "STREAM"),
		ValidArgsFunction: completeStream,
		RunE: func(c *cobra.Command, args []string) error {
			resources, err := resourcesOf(args[1:])
			if err != nil {
				return err
			}
			api, connector, err := server.openFor(c.Context(), args[0])
			if err != nil {
				return err
			}
			return listRejections(c.Context(), api, c.OutOrStdout(), connector, resources, all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "list those as well that have been resolved since")
	server.add(c.Flags())
	c.AddCommand(showRejectionCommand(), replayRejectionCommand())
	return c
}

func listRejections(ctx context.Context, api *client, out io.Writer, c connectorInfo, resources []hub.Resource, all bool) error {
	rows := [][]cell{{{text: "ID"}, {text: "RECORD"}, {text: "SINCE"}, {text: "REASON"}}}
	more := false
	for _, resource := range resources {
		query := fmt.Sprintf("/rejections?pageSize=%d&open=%t", rejectionsShown, !all)
		var list page[rejectionInfo]
		if err := api.get(ctx, streamPath(c, resource)+query, &list); err != nil {
			return err
		}
		more = more || list.Cursor.HasMore
		for i := range list.Cursor.Data {
			r := &list.Cursor.Data[i]
			reason := printable(r.Reason)
			if r.ResolvedAt != nil {
				reason = "(resolved) " + reason
			}
			rows = append(rows, []cell{
				{text: rejectionID(c, resource, r.ID)},
				{text: abbreviate(r.reference(), referenceColumnsMax)},
				{text: r.FirstSeenAt.UTC().Format("2006-01-02 15:04Z")},
				{text: reason},
			})
		}
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintln(out, "Nothing is in quarantine.")
		return err
	}
	if _, err := io.WriteString(out, terminalOf(out).table(rows)); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(out, "These are the newest %d of a stream; there are more.\n", rejectionsShown)
	}
	return nil
}

func (r *rejectionInfo) reference() string {
	if r.Reference == nil {
		return "(no id)"
	}
	return printable(*r.Reference)
}

// rejectionID names a rejection so that it can be found again: connector/stream/number.
func rejectionID(c connectorInfo, resource hub.Resource, number int64) string {
	return fmt.Sprintf("%s/%s/%d", shellWord(printable(c.Name)), resource, number)
}

// findRejection returns where the rejection with an ID stands in the API.
func (c *client) findRejection(ctx context.Context, id string) (string, error) {
	head, number, _ := cutLast(id)
	name, resource, whole := cutLast(head)
	_, unreadable := strconv.ParseInt(number, 10, 64)
	stream, unknown := hub.ParseResource(resource)
	if unreadable != nil || unknown != nil || !whole {
		return "", fmt.Errorf(`%q is not the ID of a rejection; "weir rejections CONNECTOR" lists them, such as acme/transactions/17`, id)
	}
	connector, err := c.connector(ctx, name)
	if err != nil {
		return "", err
	}
	return streamPath(connector, stream) + "/rejections/" + number, nil
}

// cutLast cuts at the last slash; a connector's name may hold others.
func cutLast(text string) (before, after string, found bool) {
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return "", text, false
}

func showRejectionCommand() *cobra.Command {
	var server serverFlags
	var raw bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show one record in quarantine, with its bytes",
		Long: `Show one record in quarantine: what it calls itself, why it could not be read, and
its bytes, with anything that is not text written as \x.. With --raw: its bytes
exactly as they came, and nothing else.`,
		Args: arguments("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := server.open()
			if err != nil {
				return err
			}
			path, err := api.findRejection(c.Context(), args[0])
			if err != nil {
				return err
			}
			var answer envelope[rejectionInfo]
			if err := api.get(c.Context(), path, &answer); err != nil {
				return err
			}
			if raw {
				_, err = c.OutOrStdout().Write(answer.Data.Raw)
				return err
			}
			answer.Data.write(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&raw, "raw", false, "write the bytes only, as they came")
	server.add(c.Flags())
	return c
}

func (r *rejectionInfo) write(out io.Writer) {
	instant := func(at *time.Time) string {
		if at == nil {
			return "-"
		}
		return at.UTC().Format(time.RFC3339Nano)
	}
	fmt.Fprintf(out, "record      %s\nstamped     %s\nfirst seen  %s\nlast seen   %s\nresolved    %s\nreason      %s\n\n%s\n",
		r.reference(), instant(r.StampedAt), instant(&r.FirstSeenAt), instant(&r.LastSeenAt), instant(r.ResolvedAt),
		printable(r.Reason), printable(string(r.Raw)))
}

func replayRejectionCommand() *cobra.Command {
	var server serverFlags
	c := &cobra.Command{
		Use:   "replay ID...",
		Short: "Read records in quarantine again",
		Long: `Read records in quarantine again: first the bytes that are kept, which a newer Weir
may understand, then what the service shows now. A record that can be read is
stored and leaves quarantine. It exits with 1 when one of them still can't be.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return arguments("ID")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			api, err := server.open()
			if err != nil {
				return err
			}
			left := 0
			for _, id := range args {
				resolved, err := replay(c.Context(), api, c.OutOrStdout(), id)
				if err != nil {
					return err
				}
				if !resolved {
					left++
				}
			}
			if left > 0 {
				return errSaid
			}
			return nil
		},
	}
	server.add(c.Flags())
	return c
}

func replay(ctx context.Context, api *client, out io.Writer, id string) (resolved bool, err error) {
	path, err := api.findRejection(ctx, id)
	if err != nil {
		return false, err
	}
	var answer envelope[struct {
		Resolved bool    `json:"resolved"`
		Reason   *string `json:"reason"`
	}]
	if err := api.do(ctx, http.MethodPost, path+"/replay", nil, &answer); err != nil {
		return false, fmt.Errorf("replay %s: %w", id, err)
	}
	switch {
	case answer.Data.Resolved:
		_, err = fmt.Fprintf(out, "%s is readable now, and stored.\n", id)
	case answer.Data.Reason != nil:
		_, err = fmt.Fprintf(out, "%s stays in quarantine: %s\n", id, printable(*answer.Data.Reason))
	default:
		err = errors.New("the core does not say what became of " + id)
	}
	return answer.Data.Resolved, err
}
