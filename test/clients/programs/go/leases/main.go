// The lease by which one litestream at a time writes to a replica: an object that is made, taken over, renewed and removed
// under conditions alone. Its own module holds it, and its command does not use it yet.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/benbjohnson/litestream"
	leaser "github.com/benbjohnson/litestream/s3"

	"sealgate/clients/lane"
)

const rivals = 8

func main() {
	lane.Main("github.com/benbjohnson/litestream", lane.Columns{"conditional": conditional})
}

func conditional(ctx context.Context, bucket string) error {
	if err := lane.First(holding(ctx, bucket), takingOver(ctx, bucket), racing(ctx, bucket)); err != nil {
		return err
	}
	if lane.OverFiles() {
		return releasing(ctx, bucket)
	}
	return unreleased(ctx, bucket)
}

func of(bucket, path, owner string, ttl time.Duration) *leaser.Leaser {
	id, secret := lane.Credentials()
	endpoint := lane.Endpoint()
	made := leaser.NewLeaser()
	made.Bucket, made.Path, made.Owner, made.TTL = bucket, path, owner, ttl
	made.SetClient(s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		Region:       lane.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
	}))
	return made
}

// A lease that is held is renewed by its holder alone, and by the last ETag alone.
func holding(ctx context.Context, bucket string) error {
	one, other := of(bucket, "held", "one", time.Minute), of(bucket, "held", "other", time.Minute)
	first, err := one.AcquireLease(ctx)
	if err != nil {
		return fmt.Errorf("acquire: %w", err)
	}
	_, refused := other.AcquireLease(ctx)
	if err := heldBy("one", refused); err != nil {
		return err
	}
	if _, err := one.RenewLease(ctx, first); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	_, stale := one.RenewLease(ctx, first)
	return is("renewal by an old ETag", stale, litestream.ErrLeaseNotHeld)
}

// A lease that ran out is another's for the asking, and its former holder learns of it.
func takingOver(ctx context.Context, bucket string) error {
	one, other := of(bucket, "taken", "one", time.Millisecond), of(bucket, "taken", "other", time.Minute)
	lost, err := one.AcquireLease(ctx)
	if err != nil {
		return err
	}
	time.Sleep(10 * time.Millisecond)
	taken, err := other.AcquireLease(ctx)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	_, renewed := one.RenewLease(ctx, lost)
	return lane.First(
		lane.Equal("generation", taken.Generation, lost.Generation+1),
		is("renewal of what was taken over", renewed, litestream.ErrLeaseNotHeld),
	)
}

// A lease is given up by its last ETag alone, once, and is then another's to take.
func releasing(ctx context.Context, bucket string) error {
	one := of(bucket, "released", "one", time.Minute)
	first, err := one.AcquireLease(ctx)
	if err != nil {
		return err
	}
	second, err := one.RenewLease(ctx, first)
	if err != nil {
		return err
	}
	if err := lane.First(
		is("release by an old ETag", one.ReleaseLease(ctx, first), litestream.ErrLeaseNotHeld),
		is("release", one.ReleaseLease(ctx, second), nil),
		is("release of what is gone", one.ReleaseLease(ctx, second), leaser.ErrLeaseAlreadyReleased),
	); err != nil {
		return err
	}
	_, err = of(bucket, "released", "other", time.Minute).AcquireLease(ctx)
	return err
}

// Where a server does not enforce the condition of a delete, the gateway passes none on: the lease stays until it runs out.
func unreleased(ctx context.Context, bucket string) error {
	one := of(bucket, "kept", "one", time.Minute)
	lease, err := one.AcquireLease(ctx)
	if err != nil {
		return err
	}
	if err := lane.Failing("release", one.ReleaseLease(ctx, lease), code, "NotImplemented"); err != nil {
		return err
	}
	_, refused := of(bucket, "kept", "other", time.Minute).AcquireLease(ctx)
	if err := heldBy("one", refused); err != nil {
		return err
	}
	return lane.Differs("leases are taken, renewed and taken over one at a time; giving one up deletes with If-Match, which this server " +
		"does not enforce and the gateway refuses (NotImplemented), so that it ends when it runs out.")
}

func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// Of many at once one gets it: while there is none, and when it has run out.
func racing(ctx context.Context, bucket string) error {
	for round, path := range []string{"new", "new", "run out", "run out"} {
		path = fmt.Sprintf("%s %d", path, round)
		if round >= 2 {
			if _, err := of(bucket, path, "former", time.Millisecond).AcquireLease(ctx); err != nil {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := oneOf(ctx, bucket, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func oneOf(ctx context.Context, bucket, path string) error {
	outcomes := make([]error, rivals)
	var all sync.WaitGroup
	for index := range outcomes {
		all.Go(func() {
			_, outcomes[index] = of(bucket, path, fmt.Sprint("rival ", index), time.Minute).AcquireLease(ctx)
		})
	}
	all.Wait()
	winners := 0
	for _, outcome := range outcomes {
		var held *litestream.LeaseExistsError
		switch {
		case outcome == nil:
			winners++
		case !errors.As(outcome, &held):
			return outcome
		}
	}
	return lane.Equal("holders at once", winners, 1)
}

func heldBy(owner string, err error) error {
	var held *litestream.LeaseExistsError
	if !errors.As(err, &held) {
		return fmt.Errorf("acquiring what is held: got %v, want that %s holds it", err, owner)
	}
	return lane.Equal("owner", held.Owner, owner)
}

func is(what string, got, want error) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("%s: got %v, want %v", what, got, want)
	}
	return nil
}
