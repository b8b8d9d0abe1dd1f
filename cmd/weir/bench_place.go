package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/pflag"

	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/sqlite"
)

// benchStore says where measurements put their databases.
type benchStore struct{ address, folder string }

func (s *benchStore) add(flags *pflag.FlagSet) {
	flags.StringVar(&s.address, "store", "sqlite", "kind of database: sqlite, or postgres://… of a server on which one may be made and removed")
	flags.StringVar(&s.folder, "dir", "", "folder for what is written (default: a temporary one)")
}

// arguments are the flags that name the same kind of database again.
func (s *benchStore) arguments() string {
	if postgres.IsDSN(s.address) {
		return " --store postgres://…"
	}
	return ""
}

// A benchPlace is a fresh database of one measurement with the folder beside it.
type benchPlace struct {
	folder, keyFile string
	// store is the path of the file or the address of the scratch database.
	store string
	drop  func() error
	// server is the process that all those of the database server come from, 0
	// when it is not on this machine or cannot be told.
	server int
}

// open makes a fresh database. Who calls it calls close.
func (s *benchStore) open(ctx context.Context) (*benchPlace, error) {
	if s.address != "sqlite" && !postgres.IsDSN(s.address) {
		return nil, errors.New("--store must be sqlite, or the address of a PostgreSQL server: postgres://user@host:5432/postgres")
	}
	folder, err := os.MkdirTemp(s.folder, "weir-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the database: %w", err)
	}
	p := &benchPlace{folder: folder, keyFile: filepath.Join(folder, "weir.key"), store: filepath.Join(folder, "weir.db")}
	if !p.isFile() || postgres.IsDSN(s.address) {
		if p.store, p.drop, err = postgres.Scratch(ctx, s.address); err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
		p.server = serverProcess(ctx, p.store)
	}
	return p, nil
}

func (p *benchPlace) isFile() bool { return !postgres.IsDSN(p.store) }

// close removes everything.
func (p *benchPlace) close() error {
	err := os.RemoveAll(p.folder)
	if p.drop != nil {
		err = errors.Join(err, p.drop())
	}
	return err
}

// options are those of a core in this process on the database.
func (p *benchPlace) options() nodeOptions {
	return nodeOptions{Store: p.store, KeyFile: p.keyFile, AutoMigrate: !p.isFile()}
}

// arguments are those of a core in another process.
func (p *benchPlace) arguments() []string {
	args := []string{"--store", p.store, "--encryption-key-file", p.keyFile}
	if !p.isFile() {
		args = append(args, "--auto-migrate")
	}
	return args
}

// placeReaders is how many readers a core has on a SQLite file.
const placeReaders = 4

// openStores opens the database for reading, beside a core that has it open: as
// many stores as have together the readers that a core has.
func (p *benchPlace) openStores(ctx context.Context) (stores []*store.Store, closeAll func() error, err error) {
	if !p.isFile() {
		options := p.options()
		options.Role = roleAPI
		n, err := openQuietNode(ctx, options)
		if err != nil {
			return nil, nil, err
		}
		return []*store.Store{n.store}, n.close, nil
	}
	var files []*sqlite.DB
	closeAll = func() error {
		var errs []error
		for _, file := range files {
			errs = append(errs, file.Close())
		}
		return errors.Join(errs...)
	}
	for range placeReaders {
		file, err := sqlite.OpenForReading(ctx, p.store)
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		files = append(files, file)
		stores = append(stores, store.New(file, nil)) // nothing is asked for that is sealed
	}
	return stores, closeAll, nil
}

// serverProcess finds the process of a PostgreSQL server on this machine.
func serverProcess(ctx context.Context, dsn string) int {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0
	}
	defer conn.Close(ctx) //nolint:errcheck // it has asked one question
	var backend int
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return 0
	}
	// A process of that number on another machine has nothing to do with ours.
	name, err := os.ReadFile("/proc/" + strconv.Itoa(backend) + "/comm")
	if err != nil || !strings.HasPrefix(string(name), "postgres") {
		return 0
	}
	return parentOf(backend)
}

// parentOf is the process that started another one, 0 where that is not known.
func parentOf(process int) int {
	fields := statOf(process)
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// serverCPU is the processor time of the database server with all its
// processes, of other databases on it as well; 0 where it is not known.
func (p *benchPlace) serverCPU() time.Duration {
	if p.server == 0 {
		return 0
	}
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	var ticks int64
	for _, folder := range folders {
		process, err := strconv.Atoi(folder.Name())
		if err != nil || process != p.server && parentOf(process) != p.server {
			continue
		}
		// What its own children have used counts once they have ended.
		ticks += ticksOf(statOf(process), process == p.server)
	}
	return time.Duration(ticks) * clockTick
}
