// minio-go, under restic, kopia, mc, Thanos, Loki and Mimir: signed chunks over plain HTTP, and its own readings of S3.
package main

import (
	"bytes"
	"context"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"sealgate/clients/lane"
)

func main() {
	lane.Main("github.com/minio/minio-go/v7", lane.Columns{
		"small": small, "empty": empty, "multipart": multipart, "range": ranges, "list": list, "copy": copies,
		"delete": deletes, "conditional": conditional, "checksum": checksums, "special": special,
	})
}

func client(wire *lane.Wire, trailers bool) (*minio.Client, error) {
	return clientOf(lane.Endpoint(), wire, trailers)
}

func clientOf(address string, wire *lane.Wire, trailers bool) (*minio.Client, error) {
	endpoint, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	id, secret := lane.Credentials()
	options := &minio.Options{
		Creds:           credentials.NewStaticV4(id, secret, ""),
		Secure:          endpoint.Scheme == "https",
		BucketLookup:    minio.BucketLookupPath,
		TrailingHeaders: trailers,
	}
	if wire != nil {
		options.Transport = wire
	}
	return minio.New(endpoint.Host, options)
}

func code(err error) string { return minio.ToErrorResponse(err).Code }

func put(ctx context.Context, s *minio.Client, bucket, key string, data []byte, options minio.PutObjectOptions) (minio.UploadInfo, error) {
	return s.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), options)
}

func same(ctx context.Context, s *minio.Client, bucket, key string, want []byte) error {
	got, err := s.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	stat, err := got.Stat()
	if err != nil {
		return err
	}
	return lane.First(lane.Equal("size of "+key, stat.Size, int64(len(want))), lane.Same("GET "+key, got, want))
}
