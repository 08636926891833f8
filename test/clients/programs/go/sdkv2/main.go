// The AWS SDK for Go v2 on its default settings, with its manager for uploads in parts.
package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"sealgate/clients/lane"
)

func main() {
	lane.Main("github.com/aws/aws-sdk-go-v2/service/s3", lane.Columns{
		"small": small, "empty": empty, "multipart": multipart, "range": ranges, "list": list, "copy": copies,
		"delete": deletes, "conditional": conditional, "checksum": checksums, "special": special,
	})
}

func client(wire *lane.Wire) *s3.Client { return clientOf(lane.Endpoint(), wire) }

func clientOf(endpoint string, wire *lane.Wire) *s3.Client {
	id, secret := lane.Credentials()
	options := s3.Options{
		BaseEndpoint: &endpoint,
		Region:       lane.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(id, secret, ""),
	}
	if wire != nil {
		options.HTTPClient = &http.Client{Transport: wire}
	}
	return s3.New(options)
}

func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

func put(ctx context.Context, s *s3.Client, bucket, key string, data []byte) (*s3.PutObjectOutput, error) {
	return s.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
}

func same(ctx context.Context, s *s3.Client, bucket, key string, want []byte) error {
	got, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	return lane.First(
		lane.Same("GET "+key, got.Body, want),
		lane.Equal("Content-Length of "+key, aws.ToInt64(got.ContentLength), int64(len(want))),
	)
}
