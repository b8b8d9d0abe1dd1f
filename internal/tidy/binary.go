package tidy

import (
	"fmt"
	"slices"
	"strings"
)

// TestOnly are the packages that a shipped program never contains, with what
// lies below them. The testing package adds its flags and its weight; the
// others are tools of tests, and code that needs them is test code.
var TestOnly = []string{
	"testing",
	"net/http/httptest",
	"github.com/google/go-cmp",
	"github.com/stretchr/testify",
	"pgregory.net/rapid",
}

// Graph holds what each package imports, by import path.
type Graph map[string][]string

// ParseGraph reads lines of an import path followed by the paths that it
// imports, separated by blanks, as `go list -deps` prints them on request.
func ParseGraph(text string) Graph {
	graph := Graph{}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 {
			graph[fields[0]] = fields[1:]
		}
	}
	return graph
}

// CheckReach finds packages under forbidden that program reaches, directly or
// through others. A finding shows the shortest way there, so that the import
// to cut is in sight.
func CheckReach(graph Graph, program string, forbidden []string) []string {
	var findings []string
	reachedFrom := map[string]string{program: ""}
	for queue := []string{program}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != program && isUnderAny(at, forbidden) {
			findings = append(findings, fmt.Sprintf(
				"%s reaches %s, which is for tests only: %s", program, at, wayTo(reachedFrom, at)))
			continue
		}
		for _, next := range graph[at] {
			if _, seen := reachedFrom[next]; !seen {
				reachedFrom[next] = at
				queue = append(queue, next)
			}
		}
	}
	return findings
}

// wayTo follows the steps back from a package to where the search began.
func wayTo(reachedFrom map[string]string, to string) string {
	var way []string
	for at := to; at != ""; at = reachedFrom[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	return strings.Join(way, " → ")
}

func isUnderAny(importPath string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return importPath == root || strings.HasPrefix(importPath, root+"/")
	})
}
