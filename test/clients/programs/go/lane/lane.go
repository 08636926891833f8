// Package lane is what the Go clients of the lane share: where the gateway is, which column to try, and how bytes are compared.
//
// A client is called as `CLIENT COLUMN`, with LANE_ENDPOINT, LANE_BUCKET and the credentials in the environment. It ends
// with 0 if all of the column is as with Amazon S3, with 3 and a reason if it has asserted a known difference; otherwise it
// says why not and ends with 1. `CLIENT version` names the SDK.
package lane

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

const (
	MiB     = 1 << 20
	Segment = 65536
	Region  = "us-east-1"
)

// Sizes around the edges of segments, of Java's and Go's chunks, and of parts.
var Sizes = []int{1, 1000, Segment - 1, Segment, Segment + 1, 2*Segment + 1, 5*MiB + 1}

// Names that S3 allows and that paths, queries and XML each write in another way.
var Names = []string{"with blank", "plus+plus", "per%cent%20", "ünïcödé-日本語-🔑", "a&b=c<d>", "quote'(1)\"", "a/b/c", "tail/"}

// Columns of the table by name; each is called with a fresh bucket.
type Columns map[string]func(ctx context.Context, bucket string) error

// Main runs the column that the command line names, and ends the process.
func Main(module string, columns Columns) {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version(module))
		return
	}
	if len(os.Args) != 2 || columns[os.Args[1]] == nil {
		fail(fmt.Errorf("expected a column, got %q", os.Args[1:]))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := columns[os.Args[1]](ctx, must("LANE_BUCKET")); err != nil {
		fail(err)
	}
}

// Differs is returned by a column that has asserted a known difference: the reason, as a reader of the table needs it.
type Differs string

func (reason Differs) Error() string { return string(reason) }

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	var known Differs
	if errors.As(err, &known) {
		os.Exit(3)
	}
	os.Exit(1)
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	fail(fmt.Errorf("%s is not part of this program", module))
	return ""
}

// Endpoint is the gateway's, with its scheme.
func Endpoint() string { return must("LANE_ENDPOINT") }

// TLSEndpoint is the same gateway's by HTTPS, where SDKs frame their bodies in another way.
func TLSEndpoint() string { return must("LANE_TLS_ENDPOINT") }

// OverFiles tells whether the store is a directory: what a server behind the gateway may lack, it has.
func OverFiles() bool { return must("LANE_STORE") == "fs" }

// Credentials are the access key id and its secret.
func Credentials() (string, string) { return must("AWS_ACCESS_KEY_ID"), must("AWS_SECRET_ACCESS_KEY") }

func must(name string) string {
	value := os.Getenv(name)
	if value == "" {
		fail(fmt.Errorf("expected %s in the environment", name))
	}
	return value
}

// Random bytes, which no compression or cache can make up.
func Random(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data)
	return data
}

// Stream hides that the bytes could be read twice.
func Stream(data []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(data)} }

// Same compares all of a body with what it must be.
func Same(what string, body io.ReadCloser, want []byte) error {
	got, err := io.ReadAll(body)
	if closed := body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %d bytes differ from the %d expected", what, len(got), len(want))
	}
	return nil
}

// Equal says what differs, by name.
func Equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}

// Failing asserts that a request was refused with one of the codes.
func Failing(what string, err error, code func(error) string, want ...string) error {
	if err == nil {
		return fmt.Errorf("%s: went through, expected %v", what, want)
	}
	for _, one := range want {
		if code(err) == one {
			return nil
		}
	}
	return fmt.Errorf("%s: got %q (%w), expected %v", what, code(err), err, want)
}

// First returns the first error there is.
func First(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
