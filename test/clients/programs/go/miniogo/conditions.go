package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"

	"sealgate/clients/lane"
)

// Copies and compositions on condition of an ETag, which minio-go sends without quotes.
func copies(ctx context.Context, bucket string) error {
	wire := &lane.Wire{}
	s, err := client(wire, false)
	if err != nil {
		return err
	}
	data := lane.Random(5*lane.MiB + 11)
	made, err := put(ctx, s, bucket, "source +é", data, minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	source := minio.CopySrcOptions{Bucket: bucket, Object: "source +é", MatchETag: made.ETag}
	if _, err := s.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, source); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if _, err := s.CopyObject(ctx, minio.CopyDestOptions{
		Bucket: bucket, Object: "source +é", ReplaceMetadata: true, UserMetadata: map[string]string{"Mtime": "now"},
	}, minio.CopySrcOptions{Bucket: bucket, Object: "source +é"}); err != nil {
		return fmt.Errorf("copy onto itself: %w", err)
	}
	stat, err := s.StatObject(ctx, bucket, "source +é", minio.StatObjectOptions{})
	if err != nil {
		return err
	}
	source.MatchETag = stat.ETag
	if _, err := s.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"}, source, source); err != nil {
		return fmt.Errorf("compose: %w", err)
	}
	source.MatchETag = strings.Repeat("0", 32)
	_, changed := s.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "never"}, source)
	return lane.First(
		wire.Sent("PUT", "X-Amz-Copy-Source-If-Match", made.ETag),
		wire.Sent("PUT", "X-Amz-Copy-Source-If-Match", stat.ETag),
		lane.Equal("metadata", stat.UserMetadata["Mtime"], "now"),
		lane.Failing("copy of another ETag", changed, code, "PreconditionFailed"),
		same(ctx, s, bucket, "copy", data),
		same(ctx, s, bucket, "source +é", data),
		same(ctx, s, bucket, "composed", append(append([]byte{}, data...), data...)),
	)
}

func conditional(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	data := lane.Random(1000)
	write := func(set func(*minio.PutObjectOptions)) (minio.UploadInfo, error) {
		options := minio.PutObjectOptions{}
		set(&options)
		return put(ctx, s, bucket, "lock", data, options)
	}
	absent := func(options *minio.PutObjectOptions) { options.SetMatchETagExcept("*") }
	first, err := write(absent)
	if err != nil {
		return err
	}
	_, again := write(absent)
	second, err := write(func(options *minio.PutObjectOptions) { options.SetMatchETag(first.ETag) })
	if err != nil {
		return fmt.Errorf("If-Match of the last PUT: %w", err)
	}
	_, changed := write(func(options *minio.PutObjectOptions) { options.SetMatchETag(strings.Repeat("0", 32)) })
	unchanged := minio.StatObjectOptions{}
	if err := unchanged.SetMatchETagExcept(second.ETag); err != nil {
		return err
	}
	_, notModified := s.StatObject(ctx, bucket, "lock", unchanged)
	return lane.First(
		lane.Failing("PUT If-None-Match: *", again, code, "PreconditionFailed"),
		lane.Failing("PUT If-Match of another", changed, code, "PreconditionFailed"),
		lane.Equal("status of HEAD If-None-Match", minio.ToErrorResponse(notModified).StatusCode, 304),
	)
}

// Checksums in a trailer, whose line minio-go ends with a bare LF: signed by plain HTTP, unsigned by HTTPS.
func checksums(ctx context.Context, bucket string) error {
	for framing, endpoint := range map[string]string{
		signedChunks + "-TRAILER":            lane.Endpoint(),
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER": lane.TLSEndpoint(),
	} {
		wire := &lane.Wire{}
		s, err := clientOf(endpoint, wire, true)
		if err != nil {
			return err
		}
		if err := lane.First(
			everyAlgorithm(ctx, s, bucket),
			wire.Sent("PUT", "X-Amz-Content-Sha256", framing),
			wire.Sent("PUT", "X-Amz-Trailer", "x-amz-checksum-crc64nvme"),
		); err != nil {
			return fmt.Errorf("%s: %w", framing, err)
		}
	}
	return nil
}

// Single writes and parts.
func everyAlgorithm(ctx context.Context, s *minio.Client, bucket string) error {
	for _, algorithm := range []minio.ChecksumType{
		minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumSHA1, minio.ChecksumSHA256, minio.ChecksumCRC64NVME,
	} {
		for _, size := range []int{0, 1, 2*lane.Segment + 3, 5*lane.MiB + 99} {
			data, key := lane.Random(size), algorithm.String()
			if _, err := put(ctx, s, bucket, key, data, minio.PutObjectOptions{Checksum: algorithm, PartSize: 5 * lane.MiB}); err != nil {
				return fmt.Errorf("%s of %d bytes: %w", key, size, err)
			}
			got, err := s.GetObject(ctx, bucket, key, minio.GetObjectOptions{Checksum: true})
			if err != nil {
				return err
			}
			if err := lane.Same(key, got, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// What is asked of a server before anything else: where a bucket lies, and whether one exists that does not.
func special(ctx context.Context, bucket string) error {
	s, err := client(nil, false)
	if err != nil {
		return err
	}
	region, err := s.GetBucketLocation(ctx, bucket)
	if err != nil {
		return err
	}
	_, unknown := s.GetBucketLocation(ctx, bucket+"-that-is-not-there")
	exists, err := s.BucketExists(ctx, bucket+"-that-is-not-there")
	if err != nil {
		return fmt.Errorf("HEAD of a bucket that is not there: %w", err)
	}
	return lane.First(
		lane.Equal("region", region, lane.Region),
		lane.Equal("a bucket that is not there", exists, false),
		lane.Failing("location of a bucket that is not there", unknown, code, "NoSuchBucket"),
	)
}
