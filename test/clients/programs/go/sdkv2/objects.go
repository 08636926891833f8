package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealgate/clients/lane"
)

func small(ctx context.Context, bucket string) error {
	s := client(nil)
	for _, size := range lane.Sizes {
		data := lane.Random(size)
		made, err := s.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: aws.String("small"), Body: bytes.NewReader(data),
			ContentType: aws.String("text/x-lane"), Metadata: map[string]string{"lane": "value"},
		})
		if err != nil {
			return fmt.Errorf("PUT of %d bytes: %w", size, err)
		}
		head, err := s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("small")})
		if err != nil {
			return err
		}
		if err := lane.First(
			same(ctx, s, bucket, "small", data),
			lane.Equal("ETag of HEAD and PUT", *head.ETag, *made.ETag),
			lane.Equal("size", aws.ToInt64(head.ContentLength), int64(size)),
			lane.Equal("type", aws.ToString(head.ContentType), "text/x-lane"),
			lane.Equal("metadata", head.Metadata["lane"], "value"),
		); err != nil {
			return err
		}
	}
	return nil
}

func empty(ctx context.Context, bucket string) error {
	s := client(nil)
	if _, err := put(ctx, s, bucket, "empty", nil); err != nil {
		return err
	}
	if _, err := s.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("no body")}); err != nil {
		return err
	}
	if _, err := manager.NewUploader(s).Upload(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("stream"), Body: lane.Stream(nil),
	}); err != nil {
		return err
	}
	for _, key := range []string{"empty", "no body", "stream"} {
		if err := same(ctx, s, bucket, key, nil); err != nil {
			return err
		}
	}
	return nil
}

// Parts of 5 MiB from a reader that cannot be rewound, fetched again part by part and by ranges in parallel.
func multipart(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(2*5*lane.MiB + 12_345)
	key := "large"
	made, err := manager.NewUploader(s).Upload(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: lane.Stream(data)})
	if err != nil {
		return err
	}
	buffer := manager.NewWriteAtBuffer(nil)
	if _, err := manager.NewDownloader(s).Download(ctx, buffer, &s3.GetObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		return err
	}
	if !bytes.Equal(buffer.Bytes(), data) {
		return fmt.Errorf("the Downloader's bytes differ")
	}
	part, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, PartNumber: aws.Int32(3)})
	if err != nil {
		return err
	}
	head, err := s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Same("part 3", part.Body, data[2*5*lane.MiB:]),
		lane.Equal("number of parts", aws.ToInt32(part.PartsCount), 3),
		lane.Equal("ETag of HEAD and Complete", *head.ETag, *made.ETag),
		same(ctx, s, bucket, key, data),
	)
}

// Ranges while checksums are asked for: an answer that named the whole object's would fail in the SDK.
func ranges(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(3*lane.Segment + 7)
	if _, err := put(ctx, s, bucket, "range", data); err != nil {
		return err
	}
	get := func(bytes string) (*s3.GetObjectOutput, error) {
		return s.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &bucket, Key: aws.String("range"), Range: &bytes, ChecksumMode: types.ChecksumModeEnabled,
		})
	}
	for _, one := range []struct {
		bytes      string
		first, end int
	}{
		{"bytes=0-0", 0, 1},
		{"bytes=65535-65536", 65535, 65537},
		{"bytes=100-", 100, len(data)},
		{"bytes=-70000", len(data) - 70000, len(data)},
		{"bytes=5-99999999", 5, len(data)},
	} {
		got, err := get(one.bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", one.bytes, err)
		}
		if err := lane.First(
			lane.Equal("Content-Range", aws.ToString(got.ContentRange), fmt.Sprintf("bytes %d-%d/%d", one.first, one.end-1, len(data))),
			lane.Same(one.bytes, got.Body, data[one.first:one.end]),
		); err != nil {
			return err
		}
	}
	_, err := get(fmt.Sprintf("bytes=%d-", len(data)))
	return lane.Failing("a range behind the end", err, code, "InvalidRange")
}

func list(ctx context.Context, bucket string) error {
	s := client(nil)
	for index, name := range lane.Names {
		if _, err := put(ctx, s, bucket, name, lane.Random(index*1000)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	sizes := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(s, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, object := range page.Contents {
			sizes[*object.Key] = aws.ToInt64(object.Size)
		}
	}
	for index, name := range lane.Names {
		size, there := sizes[name]
		if !there || size != int64(index*1000) {
			return fmt.Errorf("LIST V2: %q has %d bytes, want %d", name, size, index*1000)
		}
	}
	old, err := s.ListObjects(ctx, &s3.ListObjectsInput{Bucket: &bucket, Delimiter: aws.String("/")})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Equal("names of LIST V2", len(sizes), len(lane.Names)),
		lane.Equal("names of LIST V1 by /", len(old.Contents), len(lane.Names)-2),
		lane.Equal("common prefixes of LIST V1 by /", len(old.CommonPrefixes), 2),
	)
}

func deletes(ctx context.Context, bucket string) error {
	s := client(nil)
	named := []types.ObjectIdentifier{{Key: aws.String("was never there")}}
	for index, name := range append([]string{"one", "two"}, lane.Names...) {
		if _, err := put(ctx, s, bucket, name, lane.Random(index)); err != nil {
			return err
		}
		named = append(named, types.ObjectIdentifier{Key: aws.String(name)})
	}
	gone, err := s.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: named}})
	if err != nil {
		return err
	}
	left, err := s.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Equal("errors", len(gone.Errors), 0),
		lane.Equal("deleted", len(gone.Deleted), len(named)),
		lane.Equal("left", len(left.Contents), 0),
	)
}
