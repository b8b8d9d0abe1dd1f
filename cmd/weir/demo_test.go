package main

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
)

func TestTheDemoProvesThatAllIsStored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"at its best", []string{"--seed", "3"}, nil},
		{"with every fault", []string{"--faults", "all", "--seed", "7"}, []string{"faults  "}},
		{"with poison", []string{"--faults", "poison", "--seed", "7"}, []string{"In quarantine"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := runWeir(t, append([]string{"demo", "--once", "--transactions", "800"}, test.args...)...)
			if o.status != 0 {
				t.Errorf("exit status %d\n%s%s", o.status, o.stdout, o.stderr)
			}
			want := append([]string{"RESOURCE", "accounts", "balances", "beneficiaries", "transactions", "Everything that the PSP knows is stored, and nothing else"}, test.want...)
			for _, text := range want {
				if !strings.Contains(o.stdout, text) {
					t.Errorf("it lacks %q:\n%s", text, o.stdout)
				}
			}
			if strings.Count(o.stdout, " equal\n") != 4 || strings.Contains(o.stdout, "DIFFERENT") {
				t.Errorf("not every resource is equal:\n%s", o.stdout)
			}
		})
	}
}

func TestTheDemoRefusesFaultsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	runWeir(t, "demo", "--once", "--faults", "tornado").wantRefusal(t, "--faults", "tornado")
}

// startDemo runs a demo until both sides are equal.
func startDemo(t *testing.T, out *bytes.Buffer) *demo {
	t.Helper()
	d := &demo{out: out, options: demoOptions{once: true, seed: 5, transactions: 120, listen: "127.0.0.1:0"}}
	if err := d.start(t.Context(), filepath.Join(t.TempDir(), "weir.db"), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	d.psp.Settle()
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.node.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-stopped, d.node.close(), d.server.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := d.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, readTimeout, "both sides are equal", func() bool {
		p, err := d.compare(t.Context())
		return err == nil && p.equal()
	})
	return d
}

// The proof is worth what it takes to break it: one record more, or one byte.
func TestTheProofFailsWhereOneRecordDiffers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs a whole demo, which -short leaves out")
	}
	var out bytes.Buffer
	d := startDemo(t, &out)
	accounts := hub.StreamID{Connector: d.connector, Resource: hub.Accounts}
	if err := d.node.store.Pause(t.Context(), accounts, time.Now()); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, reference, want string }{
		{"a record that the PSP does not have", "invented", "accounts invented: the PSP does not have it"},
		{"a record with other content", "wal_000001", "accounts wal_000001:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eventually(t, readTimeout, "the record is stored", func() bool { return storeAccount(d, accounts, test.reference) == nil })
			p, err := d.compare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out.Reset()
			if err := d.report(p, time.Now()); p.equal() || !errors.Is(err, errSaid) || exitStatus(err) != 1 {
				t.Errorf("the proof holds, %v", err)
			}
			for _, want := range []string{"DIFFERENT", test.want, "weir demo --once"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

// storeAccount stores an account behind the back of the service.
func storeAccount(d *demo, stream hub.StreamID, reference string) error {
	ctx := context.Background()
	s, err := d.node.store.Stream(ctx, stream)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	_, err = d.node.store.Apply(ctx, hub.Batch{
		Stream: stream, Read: s.Cursor, Next: s.Cursor, SeenAt: now,
		Accounts: []hub.Account{{
			ID: hub.AccountID{Connector: d.connector, Reference: reference}, Reference: reference, Type: hub.Internal,
			CreatedAt: now, SeenAt: now, Raw: []byte(`{"id":"` + reference + `"}`),
		}},
	})
	return err
}

func TestWhatIsPoisonedMustBeInQuarantineAndNothingElse(t *testing.T) {
	transactions := hub.StreamID{Resource: hub.Transactions}
	poisoned := []simulator.Poisoned{
		{Resource: "transactions", ID: "t1", ShownID: "t1", Raw: []byte(`{"id":"t1","amount":1.5}`)},
		{Resource: "transactions", ID: "t2", Raw: []byte(`"nameless"`)},
	}
	caught := []hub.Rejection{
		{Stream: transactions, Reference: "t1", Raw: []byte(`{"id":"t1","amount":1.5}`)},
		{Stream: transactions, Raw: []byte(`"nameless"`)},
	}
	if names := strays(poisoned, caught); len(names) > 0 {
		t.Errorf("all are caught, and it names %q", names)
	}
	tests := []struct {
		name   string
		caught []hub.Rejection
		want   string
	}{
		{"one is missing", caught[:1], `transactions "t2" is poisoned and not in quarantine`},
		{"one has other bytes", []hub.Rejection{{Stream: transactions, Reference: "t1", Raw: []byte(`{}`)}, caught[1]}, `transactions "t1" is poisoned and not in quarantine`},
		{"one is sound", append([]hub.Rejection{{Stream: transactions, Reference: "t3", Raw: []byte(`{"id":"t3"}`)}}, caught...), `transactions t3 is in quarantine and not poisoned: {"id":"t3"}`},
	}
	for _, test := range tests {
		if names := strays(poisoned, test.caught); len(names) != 1 || names[0] != test.want {
			t.Errorf("%s: it names %q, want %q", test.name, names, test.want)
		}
	}
	if p := (&proof{strays: []string{"one"}}); p.equal() {
		t.Error("a proof with a stray holds")
	}
}
