package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealgate/clients/lane"
)

// Copies to another name, onto itself with new metadata, of parts, and only if the source is still the same.
func copies(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(6 * lane.MiB)
	key := "source +é"
	made, err := put(ctx, s, bucket, key, data)
	if err != nil {
		return err
	}
	source := bucket + "/" + url.QueryEscape(key)
	if _, err := s.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: aws.String("copy"), CopySource: &source, CopySourceIfMatch: made.ETag,
	}); err != nil {
		return fmt.Errorf("copy if unchanged: %w", err)
	}
	if _, err := s.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: &key, CopySource: &source,
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"mtime": "now"},
	}); err != nil {
		return fmt.Errorf("copy onto itself: %w", err)
	}
	head, err := s.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	_, refused := s.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: aws.String("never"), CopySource: &source, CopySourceIfNoneMatch: head.ETag,
	})
	return lane.First(
		lane.Equal("metadata", head.Metadata["mtime"], "now"),
		lane.Failing("copy if changed", refused, code, "PreconditionFailed"),
		same(ctx, s, bucket, "copy", data),
		same(ctx, s, bucket, key, data),
		partCopy(ctx, s, bucket, source, data),
	)
}

func partCopy(ctx context.Context, s *s3.Client, bucket, source string, data []byte) error {
	key := "of parts"
	upload, err := s.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	parts := []types.CompletedPart{}
	for number, bytes := range []string{fmt.Sprintf("bytes=7-%d", len(data)-1), "bytes=0-6"} {
		made, err := s.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: &bucket, Key: &key, UploadId: upload.UploadId, PartNumber: aws.Int32(int32(number + 1)),
			CopySource: &source, CopySourceRange: aws.String(bytes),
		})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: made.CopyPartResult.ETag, PartNumber: aws.Int32(int32(number + 1))})
	}
	if _, err := s.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}); err != nil {
		return err
	}
	return same(ctx, s, bucket, key, append(append([]byte{}, data[7:]...), data[:7]...))
}

func conditional(ctx context.Context, bucket string) error {
	s := client(nil)
	data := lane.Random(1000)
	write := func(match, noneMatch *string) (*s3.PutObjectOutput, error) {
		return s.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &bucket, Key: aws.String("lock"), Body: bytes.NewReader(data), IfMatch: match, IfNoneMatch: noneMatch,
		})
	}
	read := func(match, noneMatch *string) error {
		_, err := s.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &bucket, Key: aws.String("lock"), IfMatch: match, IfNoneMatch: noneMatch,
		})
		return err
	}
	first, err := write(nil, aws.String("*"))
	if err != nil {
		return err
	}
	_, again := write(nil, aws.String("*"))
	second, err := write(first.ETag, nil)
	if err != nil {
		return fmt.Errorf("If-Match of the last PUT: %w", err)
	}
	other := aws.String(`"00000000000000000000000000000000"`)
	_, changed := write(other, nil)
	return lane.First(
		lane.Failing("PUT If-None-Match: *", again, code, "PreconditionFailed"),
		lane.Failing("PUT If-Match of another", changed, code, "PreconditionFailed"),
		lane.Failing("GET If-Match of another", read(other, nil), code, "PreconditionFailed"),
		lane.Failing("GET If-None-Match", read(nil, second.ETag), code, "NotModified"),
		read(second.ETag, other),
	)
}

// The bucket's region by the manager's unsigned HEAD, and presigned URLs in the hands of a plain HTTP client.
func special(ctx context.Context, bucket string) error {
	s := client(nil)
	region, err := manager.GetBucketRegion(ctx, s, bucket)
	if err != nil {
		return err
	}
	if err := lane.Equal("region", region, lane.Region); err != nil {
		return err
	}
	data := string(lane.Random(lane.Segment + 1))
	key := "by a link +é"
	presign := s3.NewPresignClient(s)
	up, err := presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	request, _ := http.NewRequestWithContext(ctx, up.Method, up.URL, strings.NewReader(data))
	sent, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	told, _ := io.ReadAll(sent.Body)
	down, err := presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	got, err := http.Get(down.URL)
	if err != nil {
		return err
	}
	return lane.First(
		lane.Equal("presigned PUT: "+string(told), sent.StatusCode, 200),
		lane.Equal("presigned GET", got.StatusCode, 200),
		lane.Same("presigned GET", got.Body, []byte(data)),
	)
}
